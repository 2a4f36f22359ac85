// Pseudo-terminals (pty(7)).
#ifndef ONDEMANDD_TERMINAL_H
#define ONDEMANDD_TERMINAL_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// Declared by <stdlib.h> only with _GNU_SOURCE (see linux.h).
int posix_openpt(int flags);
int grantpt(int descriptor);
int unlockpt(int descriptor);
int ptsname_r(int descriptor, char *name, size_t size);

// Opens a pseudo-terminal of this size and writes the path of its other side. Returns the descriptor of this side, which
// never blocks and is not inherited, or a negative errno value.
static inline int ondemandd_open_terminal(char *path, size_t size, unsigned short rows, unsigned short columns) {
    int descriptor = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return -errno;
    struct winsize window = {.ws_row = rows, .ws_col = columns};
    int failure = grantpt(descriptor) != 0 || unlockpt(descriptor) != 0 ? errno : ptsname_r(descriptor, path, size);
    if (failure == 0 && (access(path, R_OK | W_OK) != 0 || ioctl(descriptor, TIOCSWINSZ, &window) != 0))
        failure = errno;
    if (failure == 0) return descriptor;
    close(descriptor);
    return -failure;
}

#endif
