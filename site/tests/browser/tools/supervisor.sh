# Runs a program in a temporary folder. For each line of standard input, stops the program with
# SIGTERM and starts it again. When standard input is closed, kills the program with all its child
# processes and deletes the folder. Arguments: the program and its arguments.
folder=$(mktemp -d) && cd "$folder" || exit
export HOME="$folder" TMPDIR="$folder"
exec 3<&0 </dev/null

start() {
    # With `setsid`, the program and its child processes are a process group, which can be killed
    # as a whole.
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
