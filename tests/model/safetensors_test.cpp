#include "backends/model/safetensors.h"

#include <cstring>
#include <string>

#include "catch.h"
#include "core/base/input_error.h"
#include "tiny_model.h"

namespace tokenyard {
namespace {

using test::TempFolder;
using test::TinyTensor;
using test::with_length;

std::string file_error(const std::string& file) {
  try {
    parse_safetensors_header(file, file.size(), "x.safetensors");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string file_error(const std::string& header, std::size_t data_bytes) {
  return file_error(with_length(header) + std::string(data_bytes, '\0'));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST_CASE("safetensors: a header's entries, wherever they lie") {
  const std::string header = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},)"
                             R"("a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
                             R"("empty":{"dtype":"F16","shape":[0,5],"data_offsets":[12,12]}}   )";
  const auto entries = parse_safetensors_header(with_length(header) + std::string(16, '\0'), header.size() + 24, "x").tensors;
  REQUIRE(entries.size() == 3);
  const auto data = static_cast<std::int64_t>(header.size()) + 8;
  CHECK(entries.at("a").dtype == DType::bf16);
  CHECK(entries.at("a").shape == std::vector<std::int64_t>{2, 3});
  CHECK(entries.at("a").begin == data);
  CHECK(entries.at("b").begin == data + 12);
  CHECK(entries.at("b").shape.empty());
  CHECK(entries.at("empty").end == data + 12);
}

TEST_CASE("safetensors: hostile headers") {
  CHECK_THAT(file_error("abc"), has_text("expected a safetensors file, found one of 3 bytes"));
  CHECK_THAT(file_error(std::string(8, '\xff')), has_text("found the length 18446744073709551615"));
  CHECK_THAT(file_error(std::string("\x09\0\0\0\0\0\0\0{}", 10)),
             has_text("expected a header of at most 2 bytes, found the length 9"));
  CHECK_THAT(file_error("[]", 0), has_text("expected an object"));
  CHECK_THAT(file_error("{", 0), has_text("expected JSON"));
  CHECK_THAT(file_error(std::string(100'000, '['), 0), has_text("nested more than 200 levels deep"));
  CHECK_THAT(file_error(R"({"a":1,"a":1})", 0), has_text("stands twice"));
  CHECK_THAT(file_error(R"({"a":1})", 0), has_text("/a: expected an object"));
  CHECK_THAT(file_error(entry("I64", "[1]", "[0,8]"), 8), has_text("/a/dtype: expected BF16, F16 or F32, found \"I64\""));
  CHECK_THAT(file_error(entry("F32", "[2]", "[0,4]"), 4), has_text("/a/shape: expected a tensor within"));
  CHECK_THAT(file_error(entry("F16", "[2]", "[0,8]"), 8), has_text("expected 4 bytes for this shape and type, found 8"));
  CHECK_THAT(file_error(entry("F32", "[-1]", "[0,4]"), 4), has_text("/a/shape/0: expected an integer"));
  CHECK_THAT(file_error(entry("F32", "[2147483647,2147483647,2147483647]", "[0,4]"), 4), has_text("/a/shape: expected"));
  CHECK_THAT(file_error(entry("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), has_text("at most 8 dimensions"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[0,5]"), 4),
             has_text("/a/data_offsets: expected 4 bytes for this shape and type, found 5"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[4,0]"), 4), has_text("/a/data_offsets/1: expected an integer between 4"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[0,18446744073709551615]"), 4), has_text("/a/data_offsets/1: expected"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[0]"), 4), has_text("/a/data_offsets: expected two offsets"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[4,8]"), 8), has_text("expected the offset 0"));
  CHECK_THAT(file_error(entry("F32", "[1]", "[0,4]"), 8), has_text("as the header says, found"));
  const std::string two = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                          R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  CHECK_THAT(file_error(two, 12), has_text("/b: expected the offset 8, where the tensor before it ends, found 4"));
  CHECK_THAT(file_error(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}})", 4),
             has_text("unknown key \"more\""));
}

TEST_CASE("safetensors: a folder with one file") {
  const TempFolder folder;
  const float values[2] = {1.5f, -2};
  folder.write("model.safetensors", test::safetensors({{"a", "F32", {2}, {reinterpret_cast<const char*>(values), 8}}}));
  const TensorFolder tensors(folder.path());
  REQUIRE(tensors.tensors().size() == 1);
  CHECK(std::memcmp(tensors.tensors().at("a").data, values, 8) == 0);
}

TEST_CASE("safetensors: shards and their index") {
  const TempFolder folder;
  folder.write("one.safetensors", test::safetensors({{"a", "BF16", {1}, "12"}}));
  folder.write("two.safetensors", test::safetensors({{"b", "BF16", {2}, "3456"}}));
  const auto index = [&](const std::string& map) {
    folder.write("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  const auto error = [&] {
    try {
      const TensorFolder tensors(folder.path());
    } catch (const InputError& caught) {
      return std::string(caught.what());
    }
    return std::string("accepted");
  };
  index(R"({"a":"one.safetensors","b":"two.safetensors"})");
  {
    const TensorFolder tensors(folder.path());
    CHECK(tensors.tensors().size() == 2);
    CHECK(std::memcmp(tensors.tensors().at("b").data, "3456", 4) == 0);
  }
  index(R"({"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"})");
  CHECK_THAT(error(), has_text("/weight_map/c: expected the tensor in two.safetensors, which lacks it"));
  index(R"({"a":"one.safetensors","b":"one.safetensors"})");
  CHECK_THAT(error(), has_text("/weight_map/b: expected the tensor in one.safetensors, which lacks it"));
  index(R"({"b":"two.safetensors","c":"one.safetensors"})");
  CHECK_THAT(error(), has_text("one.safetensors: a: expected only tensors that the index lists"));
  index(R"({"a":"../one.safetensors"})");
  CHECK_THAT(error(), has_text("/weight_map/a: expected the name of a file beside this one"));
  index(R"({"a":"three.safetensors"})");
  CHECK_THAT(error(), has_text("three.safetensors: cannot be read: No such file or directory; is the download complete?"));
  index("1");
  CHECK_THAT(error(), has_text("/weight_map: expected an object"));
}

TEST_CASE("safetensors: a tensor that stands in two shards is the one in the shard that the index names") {
  const TempFolder folder;
  folder.write("one.safetensors", test::safetensors({{"a", "BF16", {1}, "12"}, {"b", "BF16", {2}, "wron"}}));
  folder.write("two.safetensors", test::safetensors({{"b", "BF16", {2}, "3456"}, {"a", "BF16", {1}, "no"}}));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  const TensorFolder tensors(folder.path());
  REQUIRE(tensors.tensors().size() == 2);
  CHECK(std::memcmp(tensors.tensors().at("a").data, "12", 2) == 0);
  CHECK(std::memcmp(tensors.tensors().at("b").data, "3456", 4) == 0);
  REQUIRE(tensors.notes().size() == 2);
  CHECK_THAT(tensors.notes()[0], has_text("one.safetensors: b: passed over, as the index names another file"));
}

TEST_CASE("safetensors: a pointer or half a download is called that") {
  const TempFolder folder;
  const auto error = [&] {
    try {
      const TensorFolder tensors(folder.path());
    } catch (const InputError& caught) {
      return std::string(caught.what());
    }
    return std::string("accepted");
  };
  folder.write("model.safetensors-1.incomplete", "");
  CHECK_THAT(error(), has_text("found neither; half a download is there, "));
  CHECK_THAT(error(), has_text("model.safetensors-1.incomplete: fetch the rest"));
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors"}})");
  CHECK_THAT(error(), has_text("one.safetensors: cannot be read: No such file or directory; half a download is there"));
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 538090408\n";
  folder.write("model.safetensors.index.json", pointer);
  CHECK_THAT(error(), has_text("index.json: a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"));
  folder.write("model.safetensors", pointer);
  CHECK_THAT(error(), has_text("model.safetensors: a Git LFS pointer, not the file itself"));
  const std::string whole =
      test::safetensors({{"a", "F32", {2}, "01234567"}, {"b", "F32", {2}, "01234567"}, {"c", "BF16", {1}, "ab"}});
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    folder.write("model.safetensors", whole.substr(0, bytes));
    CAPTURE(bytes);
    CHECK_THAT(error(), has_text(bytes < 8 ? "complete?" : "half a download"));
  }
  folder.write("model.safetensors", whole);
  CHECK(error() == "accepted");
}

TEST_CASE("safetensors: files that are none") {
  const TempFolder folder;
  CHECK_THROWS_WITH(TensorFolder(folder.path()), has_text("found neither"));
  folder.write("model.safetensors", "");
  CHECK_THROWS_WITH(TensorFolder(folder.path()), has_text("found one of 0 bytes"));
  const TempFolder directory;
  std::filesystem::create_directory(directory.path() + "/model.safetensors");
  CHECK_THROWS_WITH(TensorFolder(directory.path()),
                    has_text("expected a file that can be mapped into memory, found a folder or a pipe"));
}

}  // namespace
}  // namespace tokenyard
