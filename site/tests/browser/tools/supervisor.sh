# Runs a program in a temporary folder until standard input is closed. Then kills the program with
# all its child processes and deletes the folder. For each line of standard input, stops the program
# with SIGTERM and starts it again. Arguments: the program and its arguments.
folder=$(mktemp -d) && cd "$folder" || exit
export HOME="$folder" TMPDIR="$folder"
exec 3<&0 </dev/null

start() {
    # In a new session, so that the program can be killed with its child processes.
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
