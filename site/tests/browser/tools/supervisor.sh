# Runs a program in a folder of its own for as long as the other end of standard input is open; then kills it, with all
# that it has started, and deletes the folder. Each line of standard input lets the program end well and starts it again.
# Arguments: the program and its arguments.
folder=$(mktemp -d) && cd "$folder" || exit
export HOME="$folder" TMPDIR="$folder"
exec 3<&0 </dev/null

start() {
    # A session of its own, so that whatever it starts can be killed with it.
    setsid "$@" 3<&- &
    program=$!
}

start "$@"
while read -r _ <&3; do
    kill -s TERM "$program"
    wait "$program"
    start "$@"
done
kill -s KILL -- "-$program"
wait
cd /
rm -rf "$folder"
