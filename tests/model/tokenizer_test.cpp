#include "backends/model/tokenizer.h"

#include "catch.h"
