#include "sim/kernel_times.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>

#include "core/base/input_error.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

constexpr std::size_t kMostText = std::size_t{64} << 20;
constexpr double kMostCount = 1e12;  // of a shape's numbers
constexpr double kMostUs = 1e9;

std::string shown_text(std::string_view text) { return "\"" + shown(text) + "\""; }

// A CSV file with a header: columns by name. Quotes and escapes do not occur in these tables.
class Table {
 public:
  explicit Table(const std::string& path) : path_(path), text_(read_text_file(path, kMostText)) {
    if (!next()) fail("expected a header that names columns, found nothing");
    names_.assign(cells_.begin(), cells_.end());
  }

  // The next row. Throws InputError when it has more or fewer cells than the header.
  bool next() {
    std::string_view line;
    do {
      if (at_ >= text_.size()) return false;
      const std::size_t end = std::min(text_.find('\n', at_), text_.size());
      line = std::string_view(text_).substr(at_, end - at_);
      if (line.ends_with('\r')) line.remove_suffix(1);
      at_ = end + 1;
      ++line_;
    } while (line.empty());
    cells_.clear();
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t comma = std::min(line.find(',', begin), line.size());
      cells_.push_back(line.substr(begin, comma - begin));
      begin = comma + 1;
    }
    if (!names_.empty() && cells_.size() != names_.size()) {
      fail("expected " + std::to_string(names_.size()) + " cells as in the header, found " + std::to_string(cells_.size()));
    }
    return true;
  }

  bool has(std::string_view column) const { return std::find(names_.begin(), names_.end(), column) != names_.end(); }
  bool has_all(std::initializer_list<std::string_view> columns) const {
    return std::all_of(columns.begin(), columns.end(), [&](std::string_view c) { return has(c); });
  }
  std::string header() const {
    std::string all;
    for (const std::string_view name : names_) all += (all.empty() ? "" : ",") + std::string(name);
    return shown_text(all);
  }

  // Empty where there is no such column.
  std::string_view text(std::string_view column) const {
    const auto at = std::find(names_.begin(), names_.end(), column);
    return at == names_.end() ? std::string_view() : cells_[static_cast<std::size_t>(at - names_.begin())];
  }
  double number(std::string_view column, double least, double most = kMostCount) const {
    const std::string_view cell = text(column);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc{} || end != cell.data() + cell.size() || !(value >= least && value <= most)) {
      fail("expected a number from " + shown(least) + " to " + shown(most) + " as " + std::string(column) + ", found " +
           shown_text(cell));
    }
    return value;
  }
  double us() const {
    if (has("time_us")) return number("time_us", 1e-3, kMostUs);
    return number("latency", 1e-6, kMostUs / 1e3) * 1e3;
  }
  // The column is absent, or says one of these.
  bool is(std::string_view column, const std::vector<std::string_view>& values) const {
    return !has(column) || std::find(values.begin(), values.end(), text(column)) != values.end();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(path_ + ": line " + std::to_string(line_) + ": " + what);
  }

 private:
  static std::string shown(double value) {
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
  }

  std::string path_, text_;
  std::size_t at_ = 0;
  std::int64_t line_ = 0;
  std::vector<std::string_view> names_, cells_;
};

const std::vector<std::string_view> kTwoBytes = {"bfloat16", "float16", "half", "bf16", "fp16"};

void read_gemm(Table& table, KernelTimes& times) {
  while (table.next()) {
    if (!table.is("gemm_dtype", kTwoBytes)) continue;
    times.gemm.push_back({table.number("m", 1), table.number("n", 1), table.number("k", 1), table.us()});
  }
}

// `isl` new tokens on top of `step` in the cache.
void read_attention(Table& table, KernelTimes& times) {
  while (table.next()) {
    const std::string_view kind = table.text("op_name");
    const bool decode = kind == "generation_attention";
    if (!decode && kind != "context_attention") {
      table.fail("expected generation_attention or context_attention as op_name, found " + shown_text(kind));
    }
    if (!table.is("attn_dtype", kTwoBytes) || !table.is("kv_cache_dtype", kTwoBytes)) continue;
    if (!table.is("window_size", {"0"}) || !table.is("beam_width", {"1"})) continue;
    KernelTimes::Attention row{};
    row.heads = table.number("num_heads", 1);
    row.kv_heads = table.number("num_key_value_heads", 0);
    if (row.kv_heads == 0) row.kv_heads = row.heads;
    row.head_dim = table.number("head_dim", 1);
    const double sequences = table.number("batch_size", 1);
    const double tokens = table.number("isl", 1);
    const double kv = tokens + table.number("step", 0);
    row.us = table.us();
    if (decode) {
      row.decodes = sequences;
      row.decode_kv = kv;
      times.decode.push_back(row);
    } else {
      row.chunks = sequences;
      row.chunk_tokens = tokens;
      row.chunk_kv = kv;
      times.prefill.push_back(row);
    }
  }
}

void read_all_reduce(Table& table, KernelTimes& times) {
  while (table.next()) {
    if (!table.is("op_name", {"all_reduce"}) || table.text("kernel_source").ends_with("eager")) continue;
    if (!table.is("allreduce_dtype", kTwoBytes) || !table.is("nccl_dtype", kTwoBytes)) continue;
    // message_size counts elements: half and int8 rows of one message_size differ by two in time.
    const double gpus = table.number("num_gpus", 2, 1024);
    if (gpus != std::floor(gpus))
      table.fail("expected a whole number as num_gpus, found " + shown_text(table.text("num_gpus")));
    times.all_reduce.push_back({gpus, 2 * table.number("message_size", 1), table.us()});
  }
}

const ModelShape& named(const std::optional<ModelShape>& model, const Table& table) {
  if (!model) table.fail("expected a model (--model), whose layers these times are of, found none");
  return *model;
}

// Kernels of one layer by name; times grow with the tokens, or with the sequences sampled.
void read_layers(Table& table, const std::optional<ModelShape>& given, const char* count, KernelTimes& times) {
  const ModelShape& m = named(given, table);
  const double h = m.hidden, f = m.intermediate, s = m.bytes_per_element;
  const double q = static_cast<double>(m.num_heads) * m.head_dim, kv = static_cast<double>(m.num_kv_heads) * m.head_dim;
  while (table.next()) {
    const std::string_view layer = table.text("layer");
    const double t = table.number(count, 1);
    const double us = table.us();
    if (layer == "qkv_proj") times.gemm.push_back({t, q + 2 * kv, h, us});
    if (layer == "o_proj") times.gemm.push_back({t, h, q, us});
    if (layer == "gate_up_proj") times.gemm.push_back({t, 2 * f, h, us});
    if (layer == "down_proj") times.gemm.push_back({t, h, f, us});
    if (layer == "lm_head") times.gemm.push_back({t, static_cast<double>(m.vocabulary), h, us});
    if (layer == "layernorm" || layer == "final_layernorm") times.elementwise.push_back({4 * h * t * s, us});
    if (layer == "rotary_emb") times.elementwise.push_back({2 * (q + kv) * t * s, us});
    if (layer == "act_fn") times.elementwise.push_back({3 * f * t * s, us});
    if (layer == "embedding") times.elementwise.push_back({2 * h * t * s, us});
    if (layer == "sampler") times.sampler.push_back({t, us});
  }
}

// One chunk of `prefill_chunk` tokens on top of `kv_prefill`, beside `n_decode` sequences of `kv_decode` tokens.
void read_mixed_attention(Table& table, const std::optional<ModelShape>& given, KernelTimes& times) {
  const ModelShape& m = named(given, table);
  while (table.next()) {
    KernelTimes::Attention row{};
    row.heads = m.num_heads;
    row.kv_heads = m.num_kv_heads;
    row.head_dim = m.head_dim;
    row.chunk_tokens = table.number("prefill_chunk", 0);
    row.chunks = row.chunk_tokens > 0 ? 1 : 0;
    row.chunk_kv = row.chunk_tokens + table.number("kv_prefill", 0);
    row.decodes = table.number("n_decode", 0);
    row.decode_kv = table.number("kv_decode", 0);
    row.us = table.us();
    if (row.chunks == 0 && row.decodes == 0) table.fail("expected prefill_chunk or n_decode above 0, found neither");
    (row.chunks == 0 ? times.decode : row.decodes == 0 ? times.prefill : times.mixed).push_back(row);
  }
}

}  // namespace

void read_kernel_times(const std::string& path, const std::optional<ModelShape>& model, KernelTimes& times) {
  Table table(path);
  if (!table.has("time_us") && !table.has("latency")) {
    table.fail("expected a column time_us or latency (ms), found " + table.header());
  }
  if (table.has_all({"m", "n", "k"})) return read_gemm(table, times);
  if (table.has_all({"op_name", "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "step"})) {
    return read_attention(table, times);
  }
  if (table.has_all({"num_gpus", "message_size"})) return read_all_reduce(table, times);
  if (table.has_all({"layer", "tokens"})) return read_layers(table, model, "tokens", times);
  if (table.has_all({"layer", "sequences"})) return read_layers(table, model, "sequences", times);
  if (table.has_all({"prefill_chunk", "kv_prefill", "n_decode", "kv_decode"})) return read_mixed_attention(table, model, times);
  table.fail("expected the columns of a kernel table (docs/calibration.md), found " + table.header());
}

std::vector<std::string> kernel_time_files(const std::string& file_or_directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!fs::is_directory(file_or_directory, error)) return {file_or_directory};
  std::vector<std::string> files;
  fs::directory_iterator entries(file_or_directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().string();
    if (name.ends_with(".csv") || name.ends_with(".csv.gz") || name.ends_with(".csv.xz")) files.push_back(name);
  }
  if (error) throw InputError(file_or_directory + ": cannot be read: " + error.message());
  if (files.empty()) throw InputError(file_or_directory + ": expected .csv files, packed or not, found none");
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace tokenyard
