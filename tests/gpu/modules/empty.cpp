// A library that is no module at all.
int tokenyard_something_else() { return 1; }
