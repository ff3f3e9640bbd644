// Tensors of safetensors files, mapped into memory: nothing is copied, pages come in as they are read.
//
// A file is an 8-byte little-endian length, so many bytes of JSON {name: {dtype, shape, data_offsets}}, and the data, which the
// tensors cover without holes or overlaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tokenyard {

enum class DType : std::uint8_t { bf16, f16, f32 };
const char* name_of(DType);
inline std::int64_t bytes_of(DType dtype) { return dtype == DType::f32 ? 4 : 2; }

// A tensor in a mapped file, C order, little-endian. Its start need not be aligned.
struct Tensor {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  const std::byte* data = nullptr;
  std::string file;  // it comes from, for messages
};

// What a header says about one tensor; bytes begin .. end-1 of the file.
struct TensorEntry {
  DType dtype;
  std::vector<std::int64_t> shape;
  std::int64_t begin;
  std::int64_t end;
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry> tensors;
  // Names of what older versions of transformers saved beside the weights and is computed anew today: rotary frequencies,
  // masks, position ids. Of any type.
  std::vector<std::string> buffers;
};

// Checks everything the format promises: `head` is the file's start with at least the whole header, if it has so many bytes;
// `file_bytes` its size. Throws InputError. O(header x log tensors).
SafetensorsHeader parse_safetensors_header(std::string_view head, std::uint64_t file_bytes, const std::string& file);

// All weights of a model folder: model.safetensors, or the shards that model.safetensors.index.json lists; a tensor that stands
// in several shards is the one in the shard that the index names. Owns the mappings,
// which live until it is destroyed; immutable. A file that is shortened while it is mapped ends the program (SIGBUS).
class TensorFolder {
 public:
  explicit TensorFolder(const std::string& folder);  // throws InputError
  TensorFolder(TensorFolder&&) noexcept;
  TensorFolder& operator=(TensorFolder&&) noexcept;
  ~TensorFolder();

  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  const std::vector<std::string>& notes() const { return notes_; }  // what was passed over, a sentence each
  const std::string& index_file() const { return index_file_; }     // where a tensor that is missing should have been

 private:
  class Mapping;
  std::vector<std::unique_ptr<Mapping>> mappings_;
  std::map<std::string, Tensor> tensors_;
  std::vector<std::string> notes_;
  std::string index_file_;
};

}  // namespace tokenyard
