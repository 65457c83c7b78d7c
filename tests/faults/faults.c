/* Preloaded into a process: the Nth call that changes something below FAULT_ROOT fails with FAULT_ERRNO.
 *
 * FAULT_ROOT   directory (with no slash at its end) whose files count
 * FAULT_AT     which call fails, from 1; 0: none
 * FAULT_FOR    how many calls in a row fail from there on; 0: all (a disk that stays full)
 * FAULT_COUNT  file to which the number of calls is written when the process ends
 *
 * Interposed are the calls by which Python and SQLite write: write, pwrite, fsync, fdatasync, ftruncate, fallocate,
 * copy_file_range, rename, link, symlink, mkdir, and open where it creates.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static const char *root;
static long at, run, error_number;

__attribute__((constructor)) static void begin(void) {
    root = getenv("FAULT_ROOT");
    at = atol(getenv("FAULT_AT") ? getenv("FAULT_AT") : "0");
    run = atol(getenv("FAULT_FOR") ? getenv("FAULT_FOR") : "0");
    error_number = atol(getenv("FAULT_ERRNO") ? getenv("FAULT_ERRNO") : "28");
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld\n", (long)calls);
        fclose(file);
    }
}

static int below(const char *path) {
    size_t size = root ? strlen(root) : 0;
    return size && path && !strncmp(path, root, size) && path[size] == '/';
}

static int fails(void) {
    long number = ++calls;
    if (!at || number < at || (run && number >= at + run))
        return 0;
    errno = error_number;
    return 1;
}

static int of_file(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return below(path);
}

/* A name relative to the working directory or to an open directory is below the root if that directory is. */
static int of_name(int directory, const char *path) {
    if (path[0] == '/')
        return below(path);
    if (directory != AT_FDCWD)
        return of_file(directory);
    char here[PATH_MAX];
    return getcwd(here, sizeof here) && (below(here) || (root && !strcmp(here, root)));
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define ON_FILE(result, name, parameters, file, ...)                                                                   \
    result name parameters {                                                                                           \
        return of_file(file) && fails() ? -1 : REAL(name)(__VA_ARGS__);                                                \
    }
#define ON_NAME(name, parameters, directory, path, ...)                                                                \
    int name parameters {                                                                                              \
        return of_name(directory, path) && fails() ? -1 : REAL(name)(__VA_ARGS__);                                     \
    }

ON_FILE(ssize_t, write, (int f, const void *b, size_t n), f, f, b, n)
ON_FILE(ssize_t, pwrite, (int f, const void *b, size_t n, off_t o), f, f, b, n, o)
ON_FILE(ssize_t, pwrite64, (int f, const void *b, size_t n, off64_t o), f, f, b, n, o)
ON_FILE(int, fsync, (int f), f, f)
ON_FILE(int, fdatasync, (int f), f, f)
ON_FILE(int, ftruncate, (int f, off_t n), f, f, n)
ON_FILE(int, ftruncate64, (int f, off64_t n), f, f, n)
ON_FILE(ssize_t, copy_file_range, (int i, off64_t *a, int f, off64_t *b, size_t n, unsigned flags), f, i, a, f, b, n, flags)
ON_NAME(rename, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_NAME(renameat, (int c, const char *a, int d, const char *b), d, b, c, a, d, b)
ON_NAME(link, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_NAME(linkat, (int c, const char *a, int d, const char *b, int flags), d, b, c, a, d, b, flags)
ON_NAME(symlink, (const char *a, const char *b), AT_FDCWD, b, a, b)
ON_NAME(symlinkat, (const char *a, int d, const char *b), d, b, a, d, b)
ON_NAME(mkdir, (const char *p, mode_t m), AT_FDCWD, p, p, m)
ON_NAME(mkdirat, (int d, const char *p, mode_t m), d, p, d, p, m)

/* SQLite finds fallocate by this name where it was built to use it; it returns the error itself. */
int posix_fallocate(int f, off_t o, off_t n) {
    return of_file(f) && fails() ? (int)error_number : REAL(posix_fallocate)(f, o, n);
}

static mode_t mode_of(int flags, va_list rest) { return flags & O_CREAT ? va_arg(rest, mode_t) : 0; }

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, rest);                                                                            \
        va_end(rest);                                                                                                  \
        return flags & O_CREAT && of_name(AT_FDCWD, path) && fails() ? -1 : REAL(name)(path, flags, mode);             \
    }
#define OPENS_AT(name)                                                                                                 \
    int name(int directory, const char *path, int flags, ...) {                                                        \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, rest);                                                                            \
        va_end(rest);                                                                                                  \
        return flags & O_CREAT && of_name(directory, path) && fails() ? -1 : REAL(name)(directory, path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
