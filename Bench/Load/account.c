// What a load counts besides messages: latencies, and the time that a stretch took of each process.
#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

// MARK: Latencies: 64 steps to each power of two

static uint64_t histogram[64 * 64];

void latency_note(uint64_t nanoseconds) {
    if (nanoseconds < 64) nanoseconds = 64;
    int power = 63 - __builtin_clzll(nanoseconds);
    histogram[(size_t)power * 64 + (nanoseconds >> (power - 6) & 63)]++;
}

void latency_clear(void) { memset(histogram, 0, sizeof histogram); }

double latency_at(double share) {
    uint64_t total = 0, seen = 0;
    for (size_t index = 0; index < 64 * 64; index++) total += histogram[index];
    for (size_t index = 0; index < 64 * 64; index++) {
        seen += histogram[index];
        if (total && (double)seen >= share * (double)total)
            return (double)((64 + index % 64) << (index / 64 - 6)) / 1000;
    }
    return 0;
}

// MARK: What a stretch of time cost

enum { PROCESSES = 64 };

static int processes[PROCESSES], process_count;

void usage_watch(int process) {
    if (process_count < PROCESSES) processes[process_count++] = process;
}

static void add_task(const char *path, uint64_t *run, uint64_t *wait) {
    unsigned long long ran = 0, waited = 0;
    FILE *file = fopen(path, "r");
    if (!file) return;
    if (fscanf(file, "%llu %llu", &ran, &waited) == 2) {
        *run += ran;
        *wait += waited;
    }
    fclose(file);
}

struct usage usage(void) {
    struct usage usage = {.at = now_ns()};
    char path[320];
    for (int index = 0; index < process_count; index++) {
        snprintf(path, sizeof path, "/proc/%d/task", processes[index]);
        DIR *tasks = opendir(path);
        for (struct dirent *task; tasks && (task = readdir(tasks));) {
            if (task->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", processes[index], task->d_name);
            add_task(path, &usage.run, &usage.wait);
        }
        if (tasks) closedir(tasks);
    }
    add_task("/proc/self/schedstat", &usage.own_run, &usage.own_wait);
    FILE *file = fopen("/proc/stat", "r");
    unsigned long long steal = 0;
    if (file && fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) == 1) usage.steal = steal * 10000000;
    if (file) fclose(file);
    return usage;
}
