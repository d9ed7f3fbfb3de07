"""Runs a command on a pseudo-terminal: `pseudo-terminal.py COLUMNS ROWS COMMAND…`. What it writes goes to standard output; lines of standard
input are `resize COLUMNS ROWS` and `key HEX`. At the end a last line says how it ended: `exit N`."""
import fcntl, os, pty, select, signal, struct, sys, termios

columns, rows, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


ready, go = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(ready, 1)
    os.execvp(command[0], command)
resize(terminal, columns, rows)
os.write(go, b"x")
orders = b""
watched = [terminal, 0]
while True:
    readable, _, _ = select.select(watched, [], [])
    if terminal in readable:
        try:
            text = os.read(terminal, 65536)
        except OSError:
            break
        if not text:
            break
        os.write(1, text)
    if 0 in readable:
        read = os.read(0, 4096)
        if not read:
            watched.remove(0)
        orders += read
        while b"\n" in orders:
            order, orders = orders.split(b"\n", 1)
            words = order.decode().split()
            if words[0] == "resize":
                resize(terminal, int(words[1]), int(words[2]))
                os.kill(pid, signal.SIGWINCH)
            elif words[0] == "key":
                os.write(terminal, bytes.fromhex(words[1]))
_, status = os.waitpid(pid, 0)
os.write(1, b"\nexit %d" % os.waitstatus_to_exitcode(status))
