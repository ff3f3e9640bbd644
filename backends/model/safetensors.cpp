#include "backends/model/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/base/json_reader.h"
#include "core/base/text_file.h"

namespace tokenyard {
namespace {

constexpr std::uint64_t kMostHeaderBytes = 100'000'000;         // the format's own limit
constexpr std::int64_t kMostDataBytes = std::int64_t{1} << 60;  // that a header is believed to promise
constexpr std::size_t kMostDimensions = 8;

std::optional<DType> weight_dtype(const std::string& name) {
  if (name == "BF16") return DType::bf16;
  if (name == "F16") return DType::f16;
  if (name == "F32") return DType::f32;
  return std::nullopt;
}

// What safetensors has besides the types of weights.
std::int64_t bytes_of_other(const JsonValue& dtype) {
  const std::string name =
      dtype.choice({"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "I16", "U16", "I32", "U32", "I64", "U64", "F64"});
  return name == "BOOL" || name.find('8') != std::string::npos ? 1 : name.ends_with("16") ? 2 : name.ends_with("32") ? 4 : 8;
}

bool is_buffer(std::string_view name) {
  for (const std::string_view end : {".rotary_emb.inv_freq", ".rotary_emb.original_inv_freq", ".rotary_emb.cos_cached",
                                     ".rotary_emb.sin_cached", "attn.masked_bias", "attn.bias", ".position_ids"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

// The end of the data that the header promises: more than there is in half a download. 0 where it cannot be read.
std::int64_t promised_bytes(const JsonValue& header) {
  std::int64_t most = 0;
  for (const Json::Member& member : header.json().object()) {
    const Json* const offsets = member.value.find("data_offsets");
    if (offsets == nullptr || !offsets->is_array() || offsets->size() != 2) continue;
    const Json& end = offsets->array()[1];
    if (end.type() == Json::Type::integer && end.integer() <= kMostDataBytes) most = std::max(most, end.integer());
  }
  return most;
}

TensorEntry read_entry(const JsonValue& value, bool buffer, std::int64_t data_begin, std::int64_t data_bytes) {
  JsonObject object = value.object();
  const JsonValue dtype_value = object.at("dtype");
  const auto dtype = weight_dtype(dtype_value.string());
  if (!dtype && !buffer) dtype_value.expected("BF16, F16 or F32");
  TensorEntry entry;
  entry.dtype = dtype.value_or(DType::f32);
  const JsonValue shape = object.at("shape");
  std::int64_t bytes = dtype ? bytes_of(*dtype) : bytes_of_other(dtype_value);
  const auto dimensions = shape.array();
  if (dimensions.size() > kMostDimensions) shape.expected("at most " + std::to_string(kMostDimensions) + " dimensions");
  for (const JsonValue& dimension : dimensions) {
    const std::int64_t size = dimension.integer(0, INT32_MAX);
    if (size > 0 && bytes > data_bytes / size) {  // before the product can overflow
      shape.fail("expected a tensor within the file's " + std::to_string(data_bytes) + " bytes of data");
    }
    bytes *= size;
    entry.shape.push_back(size);
  }
  const JsonValue offsets_value = object.at("data_offsets");
  const auto offsets = offsets_value.array();
  if (offsets.size() != 2) offsets_value.expected("two offsets");
  const std::int64_t begin = offsets[0].integer(0, data_bytes);
  const std::int64_t end = offsets[1].integer(begin, data_bytes);
  if (end - begin != bytes) {
    offsets_value.fail("expected " + std::to_string(bytes) + " bytes for this shape and type, found " +
                       std::to_string(end - begin));
  }
  object.done();
  entry.begin = data_begin + begin;
  entry.end = data_begin + end;
  return entry;
}

// A download that has not ended, where huggingface_hub keeps it: beside the files, or in its cache.
std::string unfinished_download(const std::filesystem::path& folder) {
  for (const std::filesystem::path& place : {folder, folder / ".cache/huggingface/download", folder / "../../blobs"}) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(place, error), end; !error && at != end; at.increment(error)) {
      if (at->path().extension() == ".incomplete") return at->path().lexically_normal().string();
    }
  }
  return {};
}

[[noreturn]] void fail_with_download(const std::string& what, const std::filesystem::path& folder) {
  const std::string part = unfinished_download(folder);
  throw InputError(what +
                   (part.empty() ? "; is the download complete?" : "; half a download is there, " + part + ": fetch the rest"));
}

// "a and 3 more"
std::string first_of(const std::vector<std::string>& names) {
  return names.front() + (names.size() > 1 ? " and " + std::to_string(names.size() - 1) + " more" : "");
}

}  // namespace

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::bf16: return "bf16";
    case DType::f16: return "fp16";
    case DType::f32: return "fp32";
  }
  return "?";
}

SafetensorsHeader parse_safetensors_header(std::string_view head, std::uint64_t file_bytes, const std::string& file) {
  refuse_lfs_pointer(head, file);
  if (file_bytes < 8 || head.size() < 8) {
    throw InputError(file + ": expected a safetensors file, found one of " + std::to_string(file_bytes) +
                     " bytes; is the download complete?");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::uint64_t{static_cast<unsigned char>(head[i])} << (8 * i);
  if (length > kMostHeaderBytes || length > file_bytes - 8 || length > head.size() - 8) {
    throw InputError(
        file + ": byte 0: expected a header of at most " +
        std::to_string(std::min<std::uint64_t>({kMostHeaderBytes, file_bytes - 8, head.size() - 8})) +
        " bytes, found the length " + std::to_string(length) +
        (length <= kMostHeaderBytes && (head.size() == 8 || head[8] == '{') ? "; the file is half a download" : ""));
  }
  const auto data_begin = static_cast<std::int64_t>(8 + length);
  const auto data_bytes = static_cast<std::int64_t>(file_bytes) - data_begin;
  JsonObject root = JsonValue::parse(head.substr(8, length), file).object();
  const std::int64_t promised = std::max(promised_bytes(root.value()), data_bytes);
  SafetensorsHeader out;
  // Tensors one after another, empty ones before full ones at the same place, must cover the data.
  std::vector<std::tuple<std::int64_t, std::int64_t, std::string>> places;
  for (const auto& [name, value] : root.members()) {
    if (name == "__metadata__") continue;
    const bool buffer = is_buffer(name);
    TensorEntry entry = read_entry(value, buffer, data_begin, promised);
    places.emplace_back(entry.begin, entry.end, name);
    if (buffer) {
      out.buffers.push_back(name);
    } else {
      out.tensors.emplace(name, std::move(entry));
    }
  }
  std::sort(places.begin(), places.end());
  std::int64_t at = data_begin;
  for (const auto& [begin, end, name] : places) {
    if (begin != at) {
      root.at(name).fail("expected the offset " + std::to_string(at - data_begin) +
                         ", where the tensor before it ends, found " + std::to_string(begin - data_begin));
    }
    at = end;
  }
  if (at != data_begin + data_bytes) {
    throw InputError(file + ": expected " + std::to_string(at) + " bytes, as the header says, found " +
                     std::to_string(file_bytes) + (promised > data_bytes ? ": half a download; fetch the rest" : ""));
  }
  return out;
}

class TensorFolder::Mapping {
 public:
  explicit Mapping(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe is refused, not waited for
    if (fd < 0) throw InputError(path + ": cannot be read: " + std::strerror(errno));
    struct stat status {};
    const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (regular) size_ = static_cast<std::size_t>(status.st_size);
    if (regular && size_ > 0) {
      void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (data != MAP_FAILED) data_ = static_cast<const std::byte*>(data);
    }
    ::close(fd);
    if (!regular) throw InputError(path + ": expected a file that can be mapped into memory, found a folder or a pipe");
    if (size_ > 0 && data_ == nullptr) throw InputError(path + ": cannot be mapped into memory");
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

TensorFolder::TensorFolder(const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path path(folder);
  const fs::path single = path / "model.safetensors";
  const fs::path index = path / "model.safetensors.index.json";
  std::set<std::string> files;
  std::map<std::string, std::string> file_of;  // of the tensors the index lists
  std::set<std::string> missing;               // of these weights, by now
  if (is_there(single.string())) {
    files = {"model.safetensors"};
    index_file_ = single.string();
  } else if (is_there(index.string())) {
    index_file_ = index.string();
    JsonObject root = JsonValue::load(index_file_, std::size_t{64} << 20).object();
    JsonObject map = root.at("weight_map").object();
    for (const auto& [name, value] : map.members()) {
      const std::string file = value.string();
      if (file.empty() || file.find('/') != std::string::npos || file.find('\0') != std::string::npos || file == "..") {
        value.expected("the name of a file beside this one");
      }
      files.insert(file);
      file_of[name] = file;
      if (!is_buffer(name)) missing.insert(name);
    }
  } else {
    fail_with_download(folder + ": expected model.safetensors or model.safetensors.index.json, found neither", path);
  }
  for (const std::string& name : files) {
    const std::string file = (path / name).string();
    if (!is_there(file)) fail_with_download(file + ": cannot be read: No such file or directory", path);
    mappings_.push_back(std::make_unique<Mapping>(file));
    const Mapping& mapping = *mappings_.back();
    const std::string_view text(reinterpret_cast<const char*>(mapping.data()), mapping.size());
    SafetensorsHeader header = parse_safetensors_header(text, mapping.size(), file);
    if (!header.buffers.empty()) {
      notes_.push_back(file + ": " + first_of(header.buffers) + ": passed over, as they are no weights");
    }
    std::vector<std::string> doubles;
    for (auto& [tensor, entry] : header.tensors) {
      if (!file_of.empty()) {
        const auto listed = file_of.find(tensor);
        if (listed == file_of.end()) {
          throw InputError(file + ": " + tensor + ": expected only tensors that the index lists");
        }
        if (listed->second != name) {
          doubles.push_back(tensor);
          continue;
        }
        missing.erase(tensor);
      }
      tensors_.emplace(tensor, Tensor{entry.dtype, std::move(entry.shape), mapping.data() + entry.begin, file});
    }
    if (!doubles.empty()) {
      notes_.push_back(file + ": " + first_of(doubles) + ": passed over, as the index names another file for it");
    }
  }
  if (!missing.empty()) {
    const std::string& tensor = *missing.begin();
    throw InputError(index_file_ + ": /weight_map/" + tensor + ": expected the tensor in " + file_of.at(tensor) +
                     ", which lacks it");
  }
}

TensorFolder::TensorFolder(TensorFolder&&) noexcept = default;
TensorFolder& TensorFolder::operator=(TensorFolder&&) noexcept = default;
TensorFolder::~TensorFolder() = default;

}  // namespace tokenyard
