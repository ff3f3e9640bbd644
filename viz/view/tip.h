// What a thing on the screen is, in words.
#pragma once

#include <string>
#include <vector>

#include "viz/view/scene.h"

namespace tokenyard::viz {

// Several lines about what `ref` is.
std::string tip(const Frame& frame, const Moment& moment, const std::vector<PrefixNode>& tree, const Ref& ref);

}  // namespace tokenyard::viz
