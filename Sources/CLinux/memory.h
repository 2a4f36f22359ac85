// Finding and releasing memory that is a clean copy of the program's files.
#ifndef ONDEMANDD_MEMORY_H
#define ONDEMANDD_MEMORY_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Declared by <link.h> only with _GNU_SOURCE (see linux.h).
#include <elf.h>
#if UINTPTR_MAX > 0xffffffff
typedef Elf64_Phdr ondemandd_segment;
#else
typedef Elf32_Phdr ondemandd_segment;
#endif
struct dl_phdr_info {
    uintptr_t dlpi_addr;
    const char *dlpi_name;
    const ondemandd_segment *dlpi_phdr;
    uint16_t dlpi_phnum;
    // The rest of the structure is not used.
};
int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *object, size_t size, void *argument), void *argument);

// The static executable has 2, the dynamic one with its libraries 22. Those beyond the bound are not released.
enum { ONDEMANDD_MOST_SEGMENTS = 64 };

// Loaded segments of the program and its libraries, in whole pages: the rest of a partial page belongs to another
// mapping.
struct ondemandd_loaded_parts {
    int count;
    struct {
        uintptr_t begin, end;
        int is_writable;
    } parts[ONDEMANDD_MOST_SEGMENTS];
};

static inline int ondemandd_add_segments(struct dl_phdr_info *object, size_t size, void *argument) {
    (void)size;
    struct ondemandd_loaded_parts *noted = (struct ondemandd_loaded_parts *)argument;
    const uintptr_t in_page = (uintptr_t)sysconf(_SC_PAGESIZE) - 1;
    // The program itself has an empty name. A name without a path is the kernel's (vdso(7)).
    if (object->dlpi_name[0] != 0 && object->dlpi_name[0] != '/') return 0;
    // The headers are in the first segment, so it is released last. A later read would map the pages around them again.
    for (int number = object->dlpi_phnum - 1; number >= 0 && noted->count < ONDEMANDD_MOST_SEGMENTS; number--) {
        const ondemandd_segment *segment = &object->dlpi_phdr[number];
        if (segment->p_type != PT_LOAD) continue;
        uintptr_t begin = object->dlpi_addr + segment->p_vaddr;
        uintptr_t first = (begin + in_page) & ~in_page, end = (begin + segment->p_memsz) & ~in_page;
        if (first >= end) continue;
        noted->parts[noted->count].begin = first;
        noted->parts[noted->count].end = end;
        noted->parts[noted->count++].is_writable = (segment->p_flags & PF_W) != 0;
    }
    return 0;
}

// Whether the page of an entry of /proc/self/pagemap is in memory (bit 63) and a page of a file (bit 61): the process
// has not written it since it was mapped or released (Documentation/admin-guide/mm/pagemap.rst).
static inline int ondemandd_is_unwritten(uint64_t entry) { return (entry >> 63 & 1) != 0 && (entry >> 61 & 1) != 0; }

// Releases the unwritten pages of a writable segment. Between the read of an entry and the release nothing may write
// to the page, so the process has one thread, handles no signals, and this function writes to its stack only.
static inline void ondemandd_release_unwritten(int pagemap, uintptr_t begin, uintptr_t end, uintptr_t page) {
    uint64_t entries[128];
    while (begin < end) {
        size_t count = (end - begin) / page;
        if (count > sizeof entries / sizeof *entries) count = sizeof entries / sizeof *entries;
        const size_t wanted = count * sizeof *entries;
        if (pread(pagemap, entries, wanted, (off_t)(begin / page * sizeof *entries)) != (ssize_t)wanted) return;
        for (size_t first = 0, next; first < count; first = next + 1) {
            for (next = first; next < count && ondemandd_is_unwritten(entries[next]); next++) {}
            if (first < next) syscall(SYS_madvise, begin + first * page, (next - first) * page, MADV_DONTNEED);
        }
        begin += count * page;
    }
}

// The process's pagemap, if nothing else can write to its memory: with one thread /proc/self/task has three links. -1
// otherwise, and where /proc is absent or means something else.
static inline int ondemandd_open_pagemap(void) {
    struct stat tasks;
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink != 3) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

static inline void ondemandd_release(const struct ondemandd_loaded_parts *noted, int pagemap, uintptr_t page) {
    for (int number = 0; number < noted->count; number++) {
        const uintptr_t begin = noted->parts[number].begin, end = noted->parts[number].end;
        if (!noted->parts[number].is_writable)
            syscall(SYS_madvise, begin, end - begin, MADV_DONTNEED);
        else if (pagemap >= 0)
            ondemandd_release_unwritten(pagemap, begin, end, page);
    }
}

// Releases clean pages of the program and its libraries: segments without PF_W (elf(5)) and, with `with_data` and one
// thread, unwritten pages of the others. Needed pages return from the page cache.
static inline void ondemandd_release_clean_pages(int with_data) {
    struct ondemandd_loaded_parts noted = {0};
    dl_iterate_phdr(ondemandd_add_segments, &noted);
    const int pagemap = with_data ? ondemandd_open_pagemap() : -1;
    ondemandd_release(&noted, pagemap, (uintptr_t)sysconf(_SC_PAGESIZE));
    if (pagemap >= 0) close(pagemap);
}

// Waits for a packet with minimal memory. After the release only this function and one of the C library run. Each
// touched page maps 15 more, because the kernel maps 64 KiB around a fault.
static inline ssize_t ondemandd_receive_with_little_memory(int socket, void *buffer, size_t size) {
    struct ondemandd_loaded_parts noted = {0};
    dl_iterate_phdr(ondemandd_add_segments, &noted);
    const int pagemap = ondemandd_open_pagemap();
    ondemandd_release(&noted, pagemap, (uintptr_t)sysconf(_SC_PAGESIZE));
    if (pagemap >= 0) syscall(SYS_close, pagemap);
    return syscall(SYS_recvfrom, socket, buffer, size, 0, NULL, NULL);
}

#endif
