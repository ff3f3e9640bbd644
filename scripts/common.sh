# For quickstart and check: what must be installed, how a preset is built, and how long it takes. To be sourced, from the sources'
# top folder.

build_packages="g++ cmake ninja-build nlohmann-json3-dev libfmt-dev libcli11-dev libxxhash-dev catch2"
# Dear ImGui for tokenyard view's pictures, GLFW and OpenGL for its window, without which it gives text; zlib and liblzma for packed
# files
viewer_packages="zlib1g-dev liblzma-dev pkg-config libimgui-dev libstb-dev fonts-dejavu-core libglfw3-dev libgl-dev"
# Boost.Beast for tokenyard serve: Debian 12's usual Boost is too old, and later releases have a newer one
server_packages=libboost-dev
if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then server_packages=libboost1.81-dev; fi
# The Python package and the server's clients from PyPI, plots as .png, OpenGL without a graphics card, a screen without a display
check_packages="python3-dev python3-venv librsvg2-dev libegl-dev libegl1 libgl1-mesa-dri xvfb xdotool"
# For the page: its compiler, and headers and a font that go into it
web_packages="emscripten python3 cmake ninja-build nlohmann-json3-dev libfmt-dev libxxhash-dev libstb-dev fonts-dejavu-core"
full_packages="clang libclang-rt-dev clang-format clang-tidy python3-markdown"

# Seconds of one core, measured on an AMD EPYC with cold caches (docs/measurements.md).
program_seconds=136
check_build_seconds=260
check_test_seconds=225
asan_build_seconds=600
asan_test_seconds=200
tidy_seconds=250
compilers_seconds=450
python_seconds=130
python_sanitized_seconds=370
kernels_seconds=140
alone_seconds=410
web_seconds=180

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
  local missing
  missing=$(missing_packages $1 $2)
  if [ -n "$missing" ] && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
    as_root apt-get update || true
    # One unknown name makes apt install nothing; then what is required goes alone.
    apt_install $missing || apt_install $1 || true
    missing=$(missing_packages $1 $2)
  fi
  [ -n "$missing" ] || return 0
  cat >&2 <<END

Not installed: $missing
As root, these two lines install them:
  apt-get update
  apt-get install --no-install-recommends $missing
END
  [ -z "$(missing_packages $1)" ] || return 1
  echo "Going on without." >&2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# architectures_here: the compute capabilities of this machine's cards as CMake writes them. Where there is no card, or one that this
# nvcc does not know: PTX of 8.0, which the driver of every card since Ampere compiles at its first start.
architectures_here() {
  local known capability found=
  known=$("$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)" --list-gpu-arch 2>/dev/null) || known=
  for capability in $(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -nu); do
    if [ "$capability" -ge 80 ] 2>/dev/null && grep -qx "compute_$capability" <<<"$known"; then found+="$capability;"; fi
  done
  if [ -n "$found" ]; then echo "${found%;}"; else echo 80-virtual; fi
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  mkdir -p build
  cmake --preset "$preset" -Wno-dev >"build/$preset.log" 2>&1 || { cat "build/$preset.log" >&2; return 1; }
  NINJA_STATUS="[%f/%t, %es] " cmake --build "build/$preset" --parallel "$(nproc)" ${1:+--target "$@"}
}
