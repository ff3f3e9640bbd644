# For quickstart and check: what must be installed, how a preset is built, and how long it takes. To be sourced, from the sources'
# top folder.

build_packages="g++ cmake ninja-build nlohmann-json3-dev libfmt-dev libcli11-dev libxxhash-dev catch2"
# Dear ImGui for tokenyard view's pictures, GLFW and OpenGL for its window; without them text only
viewer_packages="pkg-config libimgui-dev libstb-dev fonts-dejavu-core libglfw3-dev libgl-dev"
# Plots as .png, OpenGL without a graphics card, a screen without a display
check_packages="librsvg2-dev libegl-dev libegl1 libgl1-mesa-dri xvfb xdotool"
full_packages="clang libclang-rt-dev clang-format clang-tidy"

# stage TITLE [SECONDS]: says what begins and, of work that takes SECONDS of one core, about how long it will take here.
# `stages` is how many there are.
stage_number=0
stage() {
  stage_number=$((stage_number + 1))
  local time=
  if [ -n "${2:-}" ]; then
    local seconds=$(($2 / $(nproc)))
    if [ "$seconds" -lt 90 ]; then time=", about $(((seconds + 9) / 10 * 10)) seconds"; else time=", about $(((seconds + 30) / 60)) minutes"; fi
  fi
  printf '\n== %d of %d: %s%s\n' "$stage_number" "$stages" "$1" "$time"
}

# missing_packages NAME...: those Debian packages that are not installed, on one line.
missing_packages() {
  # Without dpkg this is no Debian: cmake will say what it cannot find, or fetch it.
  command -v dpkg-query >/dev/null || return 0
  local name missing=()
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  echo "${missing[*]}"
}

# install_packages REQUIRED OPTIONAL: two lists of Debian packages. Fails where one of the first is missing in the end.
install_packages() {
  local missing required as_root=()
  missing=$(missing_packages $1 $2)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  if [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; then
    echo "installing $missing"
    required=$(missing_packages $1)
    "${as_root[@]}" apt-get update &&
      apt_install "${as_root[@]}" $missing || { [ -n "$required" ] && apt_install "${as_root[@]}" $required; } || true
  fi
  missing=$(missing_packages $1 $2)
  [ -n "$missing" ] || return 0
  cat >&2 <<END

$0: not installed: $missing
As root, these two lines install them:
  apt-get update
  apt-get install --no-install-recommends $missing
END
  [ -z "$(missing_packages $1)" ] || return 1
  echo "Going on without." >&2
}

# apt_install [sudo] NAME...
apt_install() {
  local as_root=()
  if [ "$1" = sudo ]; then as_root=(sudo); shift; fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  mkdir -p build
  cmake --preset "$preset" -Wno-dev >"build/$preset.log" 2>&1 || { cat "build/$preset.log" >&2; return 1; }
  NINJA_STATUS="[%f/%t, %es] " cmake --build "build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
