#!/bin/sh
# A real window on a virtual screen, clicked and typed into: window_smoke.sh TOKENYARD SCENARIO. 77: something for it is missing.
set -eu
tokenyard=$1
scenario=$2
for tool in Xvfb xdotool; do command -v $tool >/dev/null || { echo "$tool is not installed"; exit 77; }; done

work=$(mktemp -d)
server= viewer=
trap 'kill $viewer $server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

# The server picks a display that is free and says which.
Xvfb -displayfd 3 -screen 0 1280x800x24 3>display 2>xvfb.log &
server=$!
for _ in $(seq 100); do [ -s display ] && break; sleep 0.1; done
DISPLAY=:$(cat display)
XDG_CONFIG_HOME=$work
export DISPLAY XDG_CONFIG_HOME
# It may say so before it lets anybody in.
for _ in $(seq 100); do xdotool getdisplaygeometry >/dev/null 2>&1 && break; sleep 0.1; done

# It has been seen, rarely and for a reason not known yet, to end at once. What it said is shown. Only a refusal (exit status 2) has a
# second try: whatever else ends it fails the test.
window=
for attempt in 1 2; do
  "$tokenyard" view "$scenario" --size 1280x800 2>viewer.log &
  viewer=$!
  for _ in $(seq 200); do
    window=$(xdotool search --name '^tokenyard: ' 2>/dev/null | head -1) && [ -n "$window" ] && break 2
    kill -0 $viewer 2>/dev/null || { status=0; wait $viewer || status=$?; echo "try $attempt: exit $status"; cat viewer.log xvfb.log; [ $status = 2 ] || exit 1; break; }
    sleep 0.1
  done
done
[ -n "$window" ] || { echo "no window appeared"; exit 1; }
xdotool windowfocus "$window" 2>/dev/null || true
sleep 1.5

wait_for() { for _ in $(seq 100); do [ -s "$1" ] && return 0; sleep 0.1; done; echo "no $1 was written"; cat viewer.log; exit 1; }

# All requests as CSV; then those of a range that the mouse marks.
xdotool key c
wait_for tokenyard-steps-1.csv
xdotool mousemove 300 400 mousedown 1; sleep 0.3
xdotool mousemove 320 400; sleep 0.3
xdotool mousemove 360 400; sleep 0.3
xdotool mouseup 1; sleep 0.5
xdotool key c
wait_for tokenyard-steps-2.csv
sleep 0.3
all=$(wc -l <tokenyard-steps-1.csv) some=$(wc -l <tokenyard-steps-2.csv)
echo "steps: $all, in the marked range $some"
[ "$some" -gt 2 ] && [ "$some" -lt "$all" ]

# The theme, by key; a picture; and a proper end.
xdotool key t; sleep 0.3
xdotool key p
wait_for tokenyard-1.png
xdotool key ctrl+q
wait $viewer
viewer=
grep -q '"theme": "light"' tokenyard/viewer.json
echo "the window was clicked, typed into and closed"
