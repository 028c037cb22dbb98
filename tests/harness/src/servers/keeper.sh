# Prepares the folder with $PREPARE and runs the server with $RUN, again after each kill by the
# test. Files in the folder control it: without `killable` this ends when the server ends; without
# `alive` it waits before it starts the server again.
trap 'is_over=yes' TERM QUIT
eval "$PREPARE" || exit
touch alive

# The kernel kills the server if this shell dies first.
if command -v setpriv >/dev/null; then
    dies_with_us='setpriv --pdeathsig KILL'
fi

while [ -z "$is_over" ]; do
    $dies_with_us sh -c 'echo $$ >pid; eval "$RUN"' &
    server=$!
    # A signal ends `wait` early.
    while kill -s 0 "$server" 2>/dev/null; do
        wait "$server"
    done
    [ -e killable ] || exit
    # Processes of the killed server may run for a moment and keep the next one from starting.
    sleep 0.05
    while [ -z "$is_over" ] && [ ! -e alive ]; do
        sleep 0.02
    done
done
