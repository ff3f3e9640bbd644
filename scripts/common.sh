# For quickstart and check: what must be installed, and how a preset is built. To be sourced, from the sources' top folder.

build_packages="g++ cmake ninja-build nlohmann-json3-dev libfmt-dev libcli11-dev libxxhash-dev catch2"
plot_packages="pkg-config librsvg2-dev" # plots as .png; without them as .svg only
# Dear ImGui for tokenyard view's pictures, GLFW and OpenGL for its window; without them text only
viewer_packages="pkg-config libimgui-dev libstb-dev fonts-dejavu-core libglfw3-dev libgl-dev libgl1-mesa-dri libegl-dev libegl1"
check_packages="xvfb xdotool clang libclang-rt-dev clang-format ccache"

say() { printf '\n== %s\n' "$*"; }

# install_packages NAME...: Debian packages; silent when all are there.
install_packages() {
  # Without dpkg this is no Debian: cmake will say what it cannot find, or fetch it.
  command -v dpkg-query >/dev/null || return 0
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "$0: not installed: ${missing[*]}; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${as_root[@]}" apt-get -q update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1; then
    tail -20 "$log" >&2
    rm -f "$log"
    echo "$0: apt-get could not install ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  local generator=()
  if [ ! -e "build/$preset/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
  cmake --preset "$preset" "${generator[@]}" -Wno-dev >"build/$preset.log" 2>&1 || { cat "build/$preset.log" >&2; return 1; }
  cmake --build "build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
