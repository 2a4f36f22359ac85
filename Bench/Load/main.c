// One executable, five commands: load, echo, relay, boot, cold.
#include "bench.h"

#include <signal.h>
#include <string.h>

int main(int count, char **arguments) {
    static const struct { const char *name; int (*run)(int, char **); } commands[] = {
        {"load", load_main}, {"echo", echo_main}, {"relay", relay_main}, {"boot", boot_main}, {"cold", cold_main}};
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    for (size_t index = 0; count > 1 && index < sizeof commands / sizeof *commands; index++) {
        if (strcmp(arguments[1], commands[index].name) != 0) continue;
        // getopt expects a name in front; the others do not.
        return index == 0 ? commands[index].run(count - 1, arguments + 1)
                          : commands[index].run(count - 2, arguments + 2);
    }
    fail("usage: bench load|echo|relay|boot|cold ...");
}
