#!/bin/sh
# pictures.sh PROGRAM SOURCES FOLDER: the pictures of README and docs are what scripts/pictures.sh draws today, none is missing, none has
# lost its command, and a page shows each. 77, skipped: letters and edges are those of one Dear ImGui and one font, as with
# tests/viz_draw/golden.
set -e
for picture in "$2"/docs/pictures/*; do
  grep -qF "pictures/${picture##*/})" "$2"/README.md "$2"/docs/*.md || { echo "no page shows $picture"; exit 1; }
done
[ "$(pkg-config --modversion imgui 2>&1)" = 1.86 ] &&
  [ "$(stat -L -c %s /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf 2>&1)" = 759720 ] || {
  echo "another Dear ImGui or font than the pictures were made with: not compared"
  exit 77
}
rm -rf "$3"
"$2/scripts/pictures.sh" "$1" "$3" || exit 1
if ! diff -r "$2/docs/pictures" "$3"; then
  echo "scripts/pictures.sh draws other pictures than docs/pictures has: look at $3, then run it without a folder"
  exit 1
fi
