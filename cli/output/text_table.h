// Tables and paragraphs for terminals.
#pragma once

#include <string>
#include <vector>

namespace tokenyard::cli {

// Columns as wide as their widest cell, two blanks apart. The first `left` columns stand left, the others (numbers) right.
// rows[0] is the header and gets a line under it.
std::string text_table(const std::vector<std::vector<std::string>>& rows, std::size_t left);

// For people: four significant digits, no exponent, "-" for NaN.
std::string short_number(double value);

// `text` in lines of at most `width` characters, each after `indent` blanks.
std::string wrapped(const std::string& text, std::size_t width, std::size_t indent);

}  // namespace tokenyard::cli
