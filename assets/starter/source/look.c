/* look: prints what a program can see of its surroundings, from /proc alone.
 * Freestanding (no libc), so that the whole image is a few kilobytes and runs anywhere. */

typedef long word;

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_open = 2, SYS_close = 3, SYS_nanosleep = 35, SYS_getuid = 102, SYS_getgid = 104, SYS_exit = 60 };
static word call(word n, word a, word b, word c) {
    word r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
static word open_file(const char *path) { return call(SYS_open, (word)path, 0, 0); }
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
enum { SYS_openat = 56, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_nanosleep = 101, SYS_getuid = 174, SYS_getgid = 176, SYS_exit = 93 };
static word call4(word n, word a, word b, word c, word d) {
    register word x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
static word call(word n, word a, word b, word c) { return call4(n, a, b, c, 0); }
static word open_file(const char *path) { return call4(SYS_openat, -100, (word)path, 0, 0); }
__asm__(".globl _start\n_start:\n mov x0, sp\n bl begin\n");
#endif

static word length(const char *s) { word n = 0; while (s[n]) n++; return n; }
static void put(const char *s, word n) { while (n > 0) { word w = call(SYS_write, 1, (word)s, n); if (w <= 0) return; s += w; n -= w; } }
static void say(const char *s) { put(s, length(s)); }
static void number(word v) { char b[24]; int i = 24; if (v == 0) b[--i] = '0'; while (v > 0) { b[--i] = (char)('0' + v % 10); v /= 10; } put(b + i, 24 - i); }
static int starts(const char *s, const char *with) { while (*with) if (*s++ != *with++) return 0; return 1; }

static char text[65536];

static word slurp(const char *path) {
    word fd = open_file(path), n = 0, r;
    if (fd < 0) return -1;
    while (n < (word)sizeof text - 1 && (r = call(SYS_read, fd, (word)(text + n), (word)sizeof text - 1 - n)) > 0) n += r;
    call(SYS_close, fd, 0, 0);
    text[n] = 0;
    return n;
}

/* Prints the lines of a file that start with one of the words (all lines without words), indented. */
static void show(const char *title, const char *path, const char *const *words) {
    say(title); say("\n");
    if (slurp(path) < 0) { say("    (not visible)\n"); return; }
    for (char *line = text; *line;) {
        char *end = line;
        while (*end && *end != '\n') end++;
        int wanted = words == 0;
        for (int i = 0; words && words[i]; i++) wanted |= starts(line, words[i]);
        if (wanted && end > line) { say("    "); put(line, end - line); say("\n"); }
        line = *end ? end + 1 : end;
    }
}

/* Mounts in short: where, what kind, how. Fields 5, 6 and the first after " - " of mountinfo. */
static void mounts(void) {
    say("mounts\n");
    if (slurp("/proc/self/mountinfo") < 0) { say("    (not visible)\n"); return; }
    for (char *line = text; *line;) {
        char *end = line, *field[8]; int n = 0;
        while (*end && *end != '\n') end++;
        field[n++] = line;
        for (char *c = line; c < end && n < 7; c++) if (*c == ' ') field[n++] = c + 1;
        if (n >= 7) {
            char *kind = field[6];
            while (kind + 3 < end && !(kind[0] == '-' && kind[1] == ' ' && kind[-1] == ' ')) kind++;
            say("    "); put(field[4], field[5] - field[4]); put(kind + 2, 0);
            char *stop = kind + 2; while (stop < end && *stop != ' ') stop++;
            if (stop > kind + 2) put(kind + 2, stop - kind - 2);
            say(" "); put(field[5], field[6] - field[5] - 1); say("\n");
        }
        line = *end ? end + 1 : end;
    }
}

void begin(word *stack) {
    word count = stack[0];
    char **arguments = (char **)(stack + 1);
    static const char *const rights[] = {"CapEff", "CapBnd", "NoNewPrivs", "Seccomp:", 0};
    static const char *const limits[] = {"Max cpu", "Max processes", "Max open files", "Max address", 0};
    say("look: what a program here can see\n\nuser "); number(call(SYS_getuid, 0, 0, 0)); say(" group "); number(call(SYS_getgid, 0, 0, 0)); say("\n\n");
    show("user map (inside, outside, how many)", "/proc/self/uid_map", 0);
    show("rights", "/proc/self/status", rights);
    mounts();
    show("network interfaces", "/proc/net/dev", 0);
    show("limits", "/proc/self/limits", limits);
    show("control group", "/proc/self/cgroup", 0);
    show("host name", "/proc/sys/kernel/hostname", 0);
    /* look SECONDS: stay that long, with a line a second, to be watched and stopped. */
    if (count > 1) {
        word seconds = 0;
        for (char *c = arguments[1]; *c >= '0' && *c <= '9'; c++) seconds = seconds * 10 + *c - '0';
        for (word i = 1; i <= seconds; i++) {
            word second[2] = {1, 0};
            call(SYS_nanosleep, (word)second, 0, 0);
            say("still here after "); number(i); say(" s\n");
        }
    }
    call(SYS_exit, 0, 0, 0);
    for (;;) {}
}
