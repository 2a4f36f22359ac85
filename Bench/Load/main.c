// One executable, a command for each part.
#include "bench.h"

#include <signal.h>
#include <string.h>

int main(int count, char **arguments) {
    static const struct { const char *name; int (*run)(int, char **); } commands[] = {
        {"load", load_main}, {"cable", cable_main}, {"echo", echo_main}, {"relay", relay_main}, {"boot", boot_main},
        {"cold", cold_main}, {"hub", hub_main}, {"cable-backend", cable_backend_main}};
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    for (size_t index = 0; count > 1 && index < sizeof commands / sizeof *commands; index++) {
        if (strcmp(arguments[1], commands[index].name) != 0) continue;
        // getopt expects a name in front; the others do not.
        return index < 2 ? commands[index].run(count - 1, arguments + 1)
                          : commands[index].run(count - 2, arguments + 2);
    }
    fail("usage: bench load|cable|echo|relay|boot|cold|hub|cable-backend ...");
}
