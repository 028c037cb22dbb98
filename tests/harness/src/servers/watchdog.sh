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
    # A test may have paused the server. CONT resumes the server, so that it handles the signal that
    # stops it.
    for signal in $signals CONT; do
        kill -s "$signal" -- "-$server" || kill -s "$signal" "$server"
    done
}
trap stop TERM

"$@" 3<&- &
server=$!

# Descriptor 3 is a pipe from the test process, which never writes to it. The pipe closes when the
# test process ends, however it ends. A process that is just being started can miss a signal, so the
# signals are repeated.
{
    read -r _ <&3
    while [ ! -e exited ] && kill -s TERM $$; do
        sleep 0.02
    done
} &

# A signal ends `wait` early, so check that the server has ended.
while kill -s 0 "$server" 2>/dev/null; do
    wait "$server"
done
trap : TERM
touch exited

wait
cd /
rm -rf "$folder"
