# Creates a folder and runs a server in it. When standard input is closed, stops the server and
# deletes the folder.
# Arguments: the folder, its owner or an empty string, the signals that stop the server, and the
# server's command.
folder=$1
owner=$2
signals=$3
shift 3
mkdir -m 700 "$folder" && cd "$folder" || exit
[ -z "$owner" ] || chown "$owner" .
exec 3<&0 </dev/null >>log 2>&1

stop() {
    # CONT, because a server that a test has paused does not handle signals.
    for signal in $signals CONT; do
        kill -s "$signal" -- "-$server" || kill -s "$signal" "$server"
    done
}
trap stop TERM

"$@" 3<&- &
server=$!

# The test process writes nothing to this pipe. It is closed when the process ends, however it ends.
{ read -r _ <&3; kill -s TERM $$; } &

# A signal ends `wait` early.
while kill -s 0 "$server" 2>/dev/null; do
    wait "$server"
done
trap : TERM
touch exited

wait
cd /
rm -rf "$folder"
