#include "cli/serve/live_page.h"

namespace tokenyard::serve {

const std::string& live_page() {
  static const std::string page = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tokenyard</title></head><body></body></html>
)html";
  return page;
}

}  // namespace tokenyard::serve
