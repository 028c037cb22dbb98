# Makes a folder and runs a server in it for as long as the other end of standard input is open; then stops the server
# and deletes the folder.
# Arguments: the folder, its owner or nothing, the signals that stop the server, the server's command.
folder=$1
owner=$2
signals=$3
shift 3
mkdir -m 700 "$folder" && cd "$folder" || exit
[ -z "$owner" ] || chown "$owner" .
exec 3<&0 </dev/null >>log 2>&1

stop() {
    # CONT, because a server that a test has paused cannot obey.
    for signal in $signals CONT; do
        kill -s "$signal" -- "-$server" || kill -s "$signal" "$server"
    done
}
trap stop TERM

"$@" 3<&- &
server=$!

# Nothing is ever written to this pipe: it ends when the test process does, however that comes about.
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
