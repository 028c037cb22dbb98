# Makes what a server needs, $PREPARE, and runs the server, $RUN; again after each time that the test has killed it.
# If the file `killable` exists, this goes on after the server has ended; while `alive` exists, the
# server is to run.
trap 'is_over=yes' TERM QUIT
eval "$PREPARE" || exit
touch alive

# The kernel kills the server if this shell dies first.
if command -v setpriv >/dev/null; then
    mourns='setpriv --pdeathsig KILL'
fi

while [ -z "$is_over" ]; do
    $mourns sh -c 'echo $$ >pid; eval "$RUN"' &
    server=$!
    # A signal ends `wait` early.
    while kill -s 0 "$server" 2>/dev/null; do
        wait "$server"
    done
    [ -e killable ] || exit
    # A server that does not start may find what its killed predecessor has left running, for a moment.
    sleep 0.05
    while [ -z "$is_over" ] && [ ! -e alive ]; do
        sleep 0.02
    done
done
