/* Preloaded into Python, it makes the system's calls below one folder fail, or wait, as the state
   says that the test has set. Calls elsewhere (modules that are imported) pass. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2, SYNC = 4, NAME = 8, REMOVE = 16, LOCK = 32, LOOK = 64, KINDS = 7 };

/* Shared by all processes that are forked. */
struct state {
    char below[PATH_MAX];  /* the folder */
    int kinds;             /* of calls that count; 0: nothing happens */
    int code;              /* errno of a failure; 0: none fails */
    long at;               /* which call fails, the first is 1; 0: none */
    int on;                /* all after it fail as well; 2: those for the same path */
    int halved;            /* a write at `at` writes half */
    int share;             /* how many of a million fail at random */
    uint64_t random;
    int tell, answer;      /* pipes: at `at` tell, and wait for the answer; -1: do not */
    long back;             /* seconds by which the clock goes back each time it is read */
    atomic_long seen, failed, of_kind[KINDS];
    char call[32], path[PATH_MAX]; /* the last that failed or waited */
};

static struct state *state;
static atomic_long reads_of_clock;
static __thread int inside;

struct state *faults_state(void) { return state; }
size_t faults_size(void) { return sizeof(struct state); }

__attribute__((constructor)) static void begin(void)
{
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (state == MAP_FAILED)
        abort();
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int named(char *full, int folder, const char *path, int descriptor)
{
    char link[64];
    ssize_t length;
    full[0] = 0;
    if (path && path[0] == '/')
        return snprintf(full, PATH_MAX, "%s", path) > 0;
    if (path && folder == AT_FDCWD) {
        if (!getcwd(full, PATH_MAX))
            return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", path ? folder : descriptor);
        length = readlink(link, full, PATH_MAX - 1);
        if (length < 0)
            return 0;
        full[length] = 0;
    }
    length = strlen(full);
    if (path)
        snprintf(full + length, PATH_MAX - length, "/%s", path);
    return 1;
}

static int chance(void)
{
    state->random = state->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int)((state->random >> 33) % 1000000) < state->share;
}

/* Whether this call is to fail; then errno is set. -1: write half. */
static int fails(int kind, const char *call, int folder, const char *path, int descriptor)
{
    char full[PATH_MAX], byte = 0;
    int before = errno, result = 0;
    size_t length;
    long number;
    if (!state || !(state->kinds & kind) || inside)
        return 0;
    inside = 1;
    length = strlen(state->below);
    if (named(full, folder, path, descriptor) && !strncmp(full, state->below, length)
            && (full[length] == '/' || !full[length])) {
        number = atomic_fetch_add(&state->seen, 1) + 1;
        atomic_fetch_add(&state->of_kind[__builtin_ctz(kind)], 1);
        if (number == state->at || chance() || (state->on && state->at && number > state->at
                && (state->on == 1 || !strcmp(full, state->path)))) {
            snprintf(state->call, sizeof state->call, "%s", call);
            strcpy(state->path, full);
            if (number == state->at && state->tell >= 0) {
                if (write(state->tell, &byte, 1) != 1 || read(state->answer, &byte, 1) != 1)
                    _exit(99);
            }
            if (state->code) {
                atomic_fetch_add(&state->failed, 1);
                result = number == state->at && state->halved && kind == WRITE ? -1 : 1;
            }
        }
    }
    errno = result == 1 ? state->code : before;
    inside = 0;
    return result;
}

#define PATH_CALL(kind, type, name, folder, path, parameters, arguments) \
    type name parameters { \
        REAL(name); \
        if (fails(kind, #name, folder, path, -1)) return -1; \
        return real arguments; \
    }
#define FD_CALL(kind, type, name, descriptor, parameters, arguments) \
    type name parameters { \
        REAL(name); \
        if (fails(kind, #name, -1, NULL, descriptor)) return -1; \
        return real arguments; \
    }
#define WRITE_CALL(name, parameters, whole, half) \
    ssize_t name parameters { \
        int failing; \
        REAL(name); \
        failing = fails(WRITE, #name, -1, NULL, d); \
        if (failing == 1) return -1; \
        return failing ? real half : real whole; \
    }
#define HALF(n) ((n) > 1 ? (n) / 2 : (n))

WRITE_CALL(write, (int d, const void *b, size_t n), (d, b, n), (d, b, HALF(n)))
WRITE_CALL(pwrite, (int d, const void *b, size_t n, off_t o), (d, b, n, o), (d, b, HALF(n), o))
WRITE_CALL(pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o), (d, b, HALF(n), o))
WRITE_CALL(writev, (int d, const struct iovec *v, int n), (d, v, n), (d, v, HALF(n)))
WRITE_CALL(pwritev, (int d, const struct iovec *v, int n, off_t o), (d, v, n, o), (d, v, HALF(n), o))
WRITE_CALL(sendfile, (int d, int s, off_t *o, size_t n), (d, s, o, n), (d, s, o, HALF(n)))
WRITE_CALL(sendfile64, (int d, int s, off64_t *o, size_t n), (d, s, o, n), (d, s, o, HALF(n)))
ssize_t copy_file_range(int s, off64_t *p, int d, off64_t *o, size_t n, unsigned w)
{
    REAL(copy_file_range);
    return fails(WRITE, "copy_file_range", -1, NULL, d) ? -1 : real(s, p, d, o, n, w);
}

FD_CALL(WRITE, int, ftruncate, d, (int d, off_t n), (d, n))
FD_CALL(WRITE, int, ftruncate64, d, (int d, off64_t n), (d, n))
PATH_CALL(WRITE, int, truncate, AT_FDCWD, p, (const char *p, off_t n), (p, n))
PATH_CALL(WRITE, int, truncate64, AT_FDCWD, p, (const char *p, off64_t n), (p, n))

FD_CALL(READ, ssize_t, read, d, (int d, void *b, size_t n), (d, b, n))
FD_CALL(READ, ssize_t, pread, d, (int d, void *b, size_t n, off_t o), (d, b, n, o))
FD_CALL(READ, ssize_t, pread64, d, (int d, void *b, size_t n, off64_t o), (d, b, n, o))
FD_CALL(READ, int, fstat, d, (int d, struct stat *s), (d, s))
FD_CALL(READ, int, fstat64, d, (int d, struct stat64 *s), (d, s))
PATH_CALL(LOOK, int, stat, AT_FDCWD, p, (const char *p, struct stat *s), (p, s))
PATH_CALL(LOOK, int, stat64, AT_FDCWD, p, (const char *p, struct stat64 *s), (p, s))
PATH_CALL(LOOK, int, lstat, AT_FDCWD, p, (const char *p, struct stat *s), (p, s))
PATH_CALL(LOOK, int, lstat64, AT_FDCWD, p, (const char *p, struct stat64 *s), (p, s))
PATH_CALL(LOOK, int, fstatat, f, p, (int f, const char *p, struct stat *s, int w), (f, p, s, w))
PATH_CALL(LOOK, int, fstatat64, f, p, (int f, const char *p, struct stat64 *s, int w), (f, p, s, w))
PATH_CALL(LOOK, ssize_t, readlink, AT_FDCWD, p, (const char *p, char *b, size_t n), (p, b, n))

FD_CALL(SYNC, int, fsync, d, (int d), (d))
FD_CALL(SYNC, int, fdatasync, d, (int d), (d))

PATH_CALL(NAME, int, mkdir, AT_FDCWD, p, (const char *p, mode_t m), (p, m))
PATH_CALL(NAME, int, link, AT_FDCWD, q, (const char *p, const char *q), (p, q))
PATH_CALL(NAME, int, linkat, g, q, (int f, const char *p, int g, const char *q, int w), (f, p, g, q, w))
PATH_CALL(NAME, int, symlink, AT_FDCWD, q, (const char *p, const char *q), (p, q))
PATH_CALL(NAME, int, rename, AT_FDCWD, q, (const char *p, const char *q), (p, q))
PATH_CALL(NAME, int, renameat, g, q, (int f, const char *p, int g, const char *q), (f, p, g, q))
PATH_CALL(NAME, int, renameat2, g, q, (int f, const char *p, int g, const char *q, unsigned w), (f, p, g, q, w))
PATH_CALL(NAME, int, chmod, AT_FDCWD, p, (const char *p, mode_t m), (p, m))
PATH_CALL(NAME, int, fchmodat, f, p, (int f, const char *p, mode_t m, int w), (f, p, m, w))
PATH_CALL(NAME, int, chown, AT_FDCWD, p, (const char *p, uid_t u, gid_t g), (p, u, g))
PATH_CALL(NAME, int, utimensat, f, p, (int f, const char *p, const struct timespec t[2], int w), (f, p, t, w))
PATH_CALL(NAME, int, lchown, AT_FDCWD, p, (const char *p, uid_t u, gid_t g), (p, u, g))
FD_CALL(NAME, int, fchmod, d, (int d, mode_t m), (d, m))
FD_CALL(NAME, int, fchown, d, (int d, uid_t u, gid_t g), (d, u, g))
FD_CALL(NAME, int, futimens, d, (int d, const struct timespec t[2]), (d, t))

PATH_CALL(REMOVE, int, unlink, AT_FDCWD, p, (const char *p), (p))
PATH_CALL(REMOVE, int, unlinkat, f, p, (int f, const char *p, int w), (f, p, w))
PATH_CALL(REMOVE, int, rmdir, AT_FDCWD, p, (const char *p), (p))

FD_CALL(LOCK, int, flock, d, (int d, int o), (d, o))

#define FCNTL_CALL(name) \
    int name(int d, int what, ...) { \
        void *rest; \
        va_list list; \
        REAL(name); \
        va_start(list, what); \
        rest = va_arg(list, void *); \
        va_end(list); \
        if ((what == F_SETLK || what == F_SETLKW) && fails(LOCK, #name, -1, NULL, d)) return -1; \
        return real(d, what, rest); \
    }

FCNTL_CALL(fcntl)
FCNTL_CALL(fcntl64)

#define OPEN_KIND(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT) ? NAME : LOOK)
#define OPEN_CALL(name, folder, parameters, arguments) \
    int name parameters { \
        mode_t mode = 0; \
        va_list rest; \
        REAL(name); \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (fails(OPEN_KIND(flags), #name, folder, p, -1)) return -1; \
        return real arguments; \
    }

OPEN_CALL(open, AT_FDCWD, (const char *p, int flags, ...), (p, flags, mode))
OPEN_CALL(open64, AT_FDCWD, (const char *p, int flags, ...), (p, flags, mode))
OPEN_CALL(openat, f, (int f, const char *p, int flags, ...), (f, p, flags, mode))
OPEN_CALL(openat64, f, (int f, const char *p, int flags, ...), (f, p, flags, mode))

FILE *fopen64(const char *p, const char *how)
{
    REAL(fopen64);
    return fails(strpbrk(how, "wa+") ? NAME : LOOK, "fopen64", AT_FDCWD, p, -1) ? NULL : real(p, how);
}

FILE *fopen(const char *p, const char *how)
{
    REAL(fopen);
    return fails(strpbrk(how, "wa+") ? NAME : LOOK, "fopen", AT_FDCWD, p, -1) ? NULL : real(p, how);
}

DIR *opendir(const char *p)
{
    REAL(opendir);
    return fails(LOOK, "opendir", AT_FDCWD, p, -1) ? NULL : real(p);
}

DIR *fdopendir(int d)
{
    REAL(fdopendir);
    return fails(READ, "fdopendir", -1, NULL, d) ? NULL : real(d);
}

struct dirent64 *readdir64(DIR *folder)
{
    REAL(readdir64);
    return fails(READ, "readdir64", -1, NULL, dirfd(folder)) ? NULL : real(folder);
}

/* A network's file system says only now what it could not write. */
int close(int d)
{
    int flags, failing = 0;
    REAL(close);
    if (state && state->kinds & SYNC && !inside) {
        flags = fcntl(d, F_GETFL);
        failing = flags >= 0 && flags & (O_WRONLY | O_RDWR) && fails(SYNC, "close", -1, NULL, d);
    }
    if (failing) {
        real(d);
        errno = state->code;
        return -1;
    }
    return real(d);
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    int result;
    REAL(clock_gettime);
    result = real(which, now);
    if (state && state->back && which == CLOCK_REALTIME)
        now->tv_sec -= state->back * (atomic_fetch_add(&reads_of_clock, 1) + 1);
    return result;
}
