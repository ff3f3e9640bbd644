#!/bin/sh
# The example of the C++ API, built against the installed package.
#   example.sh SOURCE_DIR BUILD_DIR WORK_DIR COMPILER
set -eu
source=$1 build=$2 work=$3 compiler=$4
rm -rf "$work/prefix" "$work/example"
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cmake -S "$source/examples" -B "$work/example" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$compiler"
cmake --build "$work/example"
# The installed headers need no other ones.
(cd "$work/prefix/include/tokenyard" && find . -name '*.h' | LC_ALL=C sort | sed 's/.*/#include "&"/') >"$work/headers.cpp"
[ "$(wc -l <"$work/headers.cpp")" -gt 30 ] || { echo "too few headers"; exit 1; }
"$compiler" -std=c++20 -Wall -Werror -fsyntax-only -I"$work/prefix/include/tokenyard" "$work/headers.cpp"

"$work/example/tell" "$work/prefix/share/tokenyard/scenarios/models/story" "Once upon a time" >"$work/answers"
cat "$work/answers"
grep -q 'with another seed' "$work/answers"
[ "$(wc -w <"$work/answers")" -gt 40 ] || { echo "too few words"; exit 1; }
"$work/prefix/bin/tokenyard" generate --max-tokens 5
for written in man/man1/tokenyard.1 bash-completion/completions/tokenyard zsh/site-functions/_tokenyard \
  fish/vendor_completions.d/tokenyard.fish; do
  grep -q simulate "$work/prefix/share/$written" || { echo "no share/$written"; exit 1; }
done
# A folder that is none is an error in one line.
if "$work/example/tell" /nowhere x 2>"$work/error"; then exit 1; fi
[ "$(wc -l <"$work/error")" = 1 ]
