# Runs a program in a temporary folder until standard input is closed. Then kills it with all its
# child processes and deletes the folder. Each line of standard input restarts the program after
# SIGTERM. Arguments: the program and its arguments.
folder=$(mktemp -d) && cd "$folder" || exit
export HOME="$folder" TMPDIR="$folder"
exec 3<&0 </dev/null

start() {
    # In a new session, so that its child processes can be killed with it.
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
