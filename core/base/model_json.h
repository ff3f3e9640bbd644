// Models in JSON: the one reader of Hugging Face's config.json, and the model objects of scenarios and traces.
#pragma once

#include <string>

#include "core/base/model_shape.h"

namespace tokenyard {

class JsonValue;

// The name of a built-in model, or a .json file that read_model() takes. Throws InputError.
ModelShape find_model(const std::string& name_or_file);

// A Hugging Face config.json, or a model object as to_json() writes it. Throws InputError.
// A model object says no family, norm or RoPE: a built-in model's of the same name, else Llama's defaults.
ModelShape read_model(const JsonValue& json);

// A Hugging Face config.json. Null counts as absent. The context is max_position_embeddings, or what RoPE scaling makes of it:
// times the factor (linear, dynamic), original_max_position_embeddings times the factor (yarn). A missing rope_theta is the
// family's default. Refused by name is what shapes and times depend on and nothing here knows: other families, quantised
// weights, sliding windows, dense layers among layers with experts. Backends that compute text refuse more
// (backends/model/model_config.h). Throws InputError.
ModelShape read_hf_config(const JsonValue& json);

// An object on one line, keys in alphabetical order.
std::string to_json(const ModelShape& model);

}  // namespace tokenyard
