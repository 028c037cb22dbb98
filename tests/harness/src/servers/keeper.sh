# Prepares the folder with $PREPARE and runs the server with $RUN. Runs the server again after a
# test has killed it. Two files in the folder control this script:
# * If `killable` does not exist, the script ends when the server ends.
# * While `alive` does not exist, the script does not start the killed server again.
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
    # A signal ends `wait` early, so check that the server has ended.
    while kill -s 0 "$server" 2>/dev/null; do
        wait "$server"
    done
    [ -e killable ] || exit
    # Child processes of the killed server may still run for a moment. The next server would refuse
    # to start beside them.
    sleep 0.05
    while [ -z "$is_over" ] && [ ! -e alive ]; do
        sleep 0.02
    done
done
