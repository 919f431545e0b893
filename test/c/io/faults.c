/* faults.c - the wrapped calls; see faults.h. */
#include "faults.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

#define MAX_IOV 256
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define FAILS(call, err, reason) \
  { #call " " #err, FAULT_##call, FAULT_ERROR, err, reason }

const fault_t FAULTS[] = {
    {"SENDMSG takes one byte", FAULT_SENDMSG, FAULT_SHORT, 0, FAULT_ENDS_NOBODY},
    FAILS(SENDMSG, EAGAIN, FAULT_ENDS_NOBODY),
    FAILS(SENDMSG, EINTR, FAULT_ENDS_NOBODY),
    FAILS(SENDMSG, ENOBUFS, SSE_REASON_ERROR),
    FAILS(SENDMSG, EPIPE, SSE_REASON_RESET),
    FAILS(SENDMSG, ECONNRESET, SSE_REASON_RESET),
    FAILS(SENDMSG, ETIMEDOUT, SSE_REASON_TIMEOUT),
    FAILS(RECV, EAGAIN, FAULT_ENDS_NOBODY),
    FAILS(RECV, EINTR, FAULT_ENDS_NOBODY),
    FAILS(RECV, ECONNRESET, SSE_REASON_RESET),
    FAILS(RECV, ETIMEDOUT, SSE_REASON_TIMEOUT),
    FAILS(FCNTL, EMFILE, FAULT_ENDS_NOBODY),
    FAILS(FCNTL, EBADF, FAULT_ENDS_NOBODY),
    FAILS(GETSOCKOPT, EINVAL, SSE_REASON_ERROR),
    {"SO_ERROR is ETIMEDOUT", FAULT_GETSOCKOPT, FAULT_NEWS, ETIMEDOUT, SSE_REASON_TIMEOUT},
    {"SO_ERROR is EHOSTUNREACH", FAULT_GETSOCKOPT, FAULT_NEWS, EHOSTUNREACH, SSE_REASON_TIMEOUT},
    {"SO_ERROR is none", FAULT_GETSOCKOPT, FAULT_NEWS, 0, SSE_REASON_CLIENT},
    FAILS(SETSOCKOPT, EINVAL, FAULT_ENDS_NOBODY),
    FAILS(SETSOCKOPT, ENOPROTOOPT, FAULT_ENDS_NOBODY),
    FAILS(GETSOCKNAME, ENOBUFS, FAULT_ENDS_NOBODY),
    FAILS(IOCTL, EINVAL, FAULT_ENDS_NOBODY),
#ifdef SSE_WATCH_EPOLL
    FAILS(EPOLL_CREATE, EMFILE, FAULT_ENDS_NOBODY),
    FAILS(EPOLL_CTL, ENOSPC, SSE_REASON_ERROR),
    FAILS(EPOLL_CTL, ENOMEM, SSE_REASON_ERROR),
    FAILS(EPOLL_WAIT, EINTR, FAULT_ENDS_NOBODY),
#endif
    FAILS(POLL_INIT, UV_EEXIST, FAULT_POLL_REASON),
    FAILS(POLL_START, UV_ENOMEM, FAULT_POLL_REASON),
    FAILS(LOOP_INIT, UV_EMFILE, FAULT_ENDS_NOBODY),
    FAILS(ASYNC_INIT, UV_EMFILE, FAULT_ENDS_NOBODY),
    FAILS(TIMER_INIT, UV_ENOMEM, FAULT_ENDS_NOBODY),
    FAILS(THREAD_CREATE, UV_EAGAIN, FAULT_ENDS_NOBODY),
    FAILS(MUTEX_INIT, UV_ENOMEM, FAULT_ENDS_NOBODY),
    FAILS(ALLOC, ENOMEM, SSE_REASON_ERROR),
};
const size_t N_FAULTS = COUNT_OF(FAULTS);

static struct {
  const fault_t *fault; /* NULL: no single one */
  uint64_t first, last; /* which calls of its kind fail */
  uint64_t seed;
  uint32_t permille; /* of a storm; 0: none */
  size_t most;       /* bytes of a write; 0: no limit */
  bool is_random;    /* 1 to `most` */
} orders;

static _Thread_local bool is_spared;
static _Atomic uint64_t calls[FAULT_CALLS], hits, bad_descriptors, partial_writes;

void faults_reset(void) {
  orders.fault = NULL;
  orders.permille = 0;
  orders.most = 0;
  for (int i = 0; i < FAULT_CALLS; i++)
    atomic_store_explicit(&calls[i], 0, memory_order_relaxed);
  atomic_store_explicit(&hits, 0, memory_order_relaxed);
  atomic_store_explicit(&bad_descriptors, 0, memory_order_relaxed);
  atomic_store_explicit(&partial_writes, 0, memory_order_relaxed);
}

void faults_fail_nth(const fault_t *fault, uint64_t nth) {
  orders.fault = fault;
  orders.first = orders.last = nth;
}

void faults_fail_from(const fault_t *fault, uint64_t nth) {
  orders.fault = fault;
  orders.first = nth;
  orders.last = UINT64_MAX;
}

void faults_storm(uint64_t seed, uint32_t permille) {
  orders.seed = seed;
  orders.permille = permille;
}

void faults_shorten_writes(size_t most, uint64_t seed) {
  orders.most = most;
  orders.is_random = seed != 0;
  orders.seed = seed;
}

uint64_t faults_calls(fault_call_t call) {
  return atomic_load_explicit(&calls[call], memory_order_relaxed);
}

uint64_t faults_hits(void) {
  return atomic_load_explicit(&hits, memory_order_relaxed);
}

uint64_t faults_bad_descriptors(void) {
  return atomic_load_explicit(&bad_descriptors, memory_order_relaxed);
}

uint64_t faults_partial_writes(void) {
  return atomic_load_explicit(&partial_writes, memory_order_relaxed);
}

void faults_spare(bool on) {
  is_spared = on;
}

/* A random number that depends on nothing but the seed and which call it is:
 * one step of SplitMix64. */
static uint64_t draw(fault_call_t call, uint64_t n) {
  uint64_t z = orders.seed + (n * FAULT_CALLS + call) * UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static const fault_t *any_fault(fault_call_t call, uint64_t random) {
  const fault_t *found[COUNT_OF(FAULTS)];
  size_t n = 0;
  for (size_t i = 0; i < N_FAULTS; i++)
    if (FAULTS[i].call == call) found[n++] = &FAULTS[i];
  return found[random % n];
}

/* Counts the call; how it is to fail, or NULL. */
static const fault_t *next(fault_call_t call) {
  if (is_spared) return NULL;
  uint64_t n = 1 + atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
  const fault_t *fault = NULL;
  if (orders.fault != NULL && orders.fault->call == call) {
    if (n >= orders.first && n <= orders.last) fault = orders.fault;
  } else if (orders.permille > 0) {
    uint64_t random = draw(call, n);
    if (random % 1000 < orders.permille) fault = any_fault(call, random / 1000);
  }
  if (fault != NULL) atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
  return fault;
}

/* True, with errno set, when a system call is to fail. */
static bool fails(fault_call_t call) {
  const fault_t *fault = next(call);
  if (fault != NULL) errno = fault->error;
  return fault != NULL;
}

/* 0, or the error of libuv that a call is to give. */
static int uv_error(fault_call_t call) {
  const fault_t *fault = next(call);
  return fault == NULL ? 0 : fault->error;
}

/* What the system itself said, unchanged. */
static ssize_t seen(ssize_t rc) {
  if (rc == -1 && errno == EBADF) {
    atomic_fetch_add_explicit(&bad_descriptors, 1, memory_order_relaxed);
  }
  return rc;
}

/* ---- system calls ---- */

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t room, int flags);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_close(int fd);
int __wrap_close(int fd);

static ssize_t send_all(int fd, const struct msghdr *message, int flags) {
  size_t total = 0;
  for (size_t i = 0; i < (size_t)message->msg_iovlen; i++)
    total += message->msg_iov[i].iov_len;
  ssize_t sent = seen(__real_sendmsg(fd, message, flags));
  if (sent < (ssize_t)total) {
    atomic_fetch_add_explicit(&partial_writes, 1, memory_order_relaxed);
  }
  return sent;
}

static ssize_t send_part(int fd, const struct msghdr *message, int flags, size_t most) {
  struct iovec iov[MAX_IOV];
  struct msghdr part = *message;
  size_t n = 0;
  for (; n < (size_t)message->msg_iovlen && most > 0; n++) {
    iov[n] = message->msg_iov[n];
    if (iov[n].iov_len > most) iov[n].iov_len = most;
    most -= iov[n].iov_len;
  }
  part.msg_iov = iov;
  part.msg_iovlen = n;
  return __real_sendmsg(fd, &part, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  const fault_t *fault = next(FAULT_SENDMSG);
  if (fault != NULL && fault->kind == FAULT_ERROR) {
    errno = fault->error;
    return -1;
  }
  size_t most = fault != NULL ? 1 : orders.most;
  if (most == 0) return send_all(fd, message, flags);
  if (most > 1 && orders.is_random) {
    most = 1 + draw(FAULT_SENDMSG, faults_calls(FAULT_SENDMSG)) % most;
  }
  return seen(send_part(fd, message, flags, most));
}

/* The same call for one buffer. */
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags) {
  struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  return __wrap_sendmsg(fd, &message, flags);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t room, int flags) {
  return fails(FAULT_RECV) ? -1 : seen(__real_recv(fd, bytes, room, flags));
}

/* Every command that csrc gives takes one int. */
int __wrap_fcntl(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  int value = va_arg(args, int);
  va_end(args);
  return fails(FAULT_FCNTL) ? -1 : (int)seen(__real_fcntl(fd, command, value));
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
  const fault_t *fault = next(FAULT_GETSOCKOPT);
  if (fault != NULL && fault->kind == FAULT_ERROR) {
    errno = fault->error;
    return -1;
  }
  int rc = (int)seen(__real_getsockopt(fd, level, name, value, len));
  if (rc == 0 && fault != NULL) *(int *)value = fault->error;
  return rc;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
  return fails(FAULT_SETSOCKOPT) ? -1 : (int)seen(__real_setsockopt(fd, level, name, value, len));
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len) {
  return fails(FAULT_GETSOCKNAME) ? -1 : (int)seen(__real_getsockname(fd, address, len));
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
  va_list args;
  va_start(args, request);
  void *value = va_arg(args, void *);
  va_end(args);
  return fails(FAULT_IOCTL) ? -1 : (int)seen(__real_ioctl(fd, request, value));
}

int __wrap_close(int fd) {
  return (int)seen(__real_close(fd));
}

#ifdef SSE_WATCH_EPOLL
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __real_epoll_wait(int epoll, struct epoll_event *events, int room, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int room, int ms);

int __wrap_epoll_create1(int flags) {
  return fails(FAULT_EPOLL_CREATE) ? -1 : (int)seen(__real_epoll_create1(flags));
}

/* To give up a watch never fails. */
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event) {
  if (op != EPOLL_CTL_DEL && fails(FAULT_EPOLL_CTL)) return -1;
  return (int)seen(__real_epoll_ctl(epoll, op, fd, event));
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int room, int ms) {
  return fails(FAULT_EPOLL_WAIT) ? -1 : (int)seen(__real_epoll_wait(epoll, events, room, ms));
}
#endif

/* ---- libuv: each fails before it has done anything ---- */

int __real_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);
int __wrap_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd);
int __real_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb cb);
int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb cb);
int __real_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);
int __real_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __real_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);
int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer);
int __real_uv_thread_create(uv_thread_t *id, uv_thread_cb entry, void *arg);
int __wrap_uv_thread_create(uv_thread_t *id, uv_thread_cb entry, void *arg);
int __real_uv_mutex_init(uv_mutex_t *mutex);
int __wrap_uv_mutex_init(uv_mutex_t *mutex);

int __wrap_uv_poll_init(uv_loop_t *loop, uv_poll_t *poll, int fd) {
  int error = uv_error(FAULT_POLL_INIT);
  return error != 0 ? error : __real_uv_poll_init(loop, poll, fd);
}

int __wrap_uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb cb) {
  int error = uv_error(FAULT_POLL_START);
  return error != 0 ? error : __real_uv_poll_start(poll, events, cb);
}

int __wrap_uv_loop_init(uv_loop_t *loop) {
  int error = uv_error(FAULT_LOOP_INIT);
  return error != 0 ? error : __real_uv_loop_init(loop);
}

int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb) {
  int error = uv_error(FAULT_ASYNC_INIT);
  return error != 0 ? error : __real_uv_async_init(loop, async, cb);
}

int __wrap_uv_timer_init(uv_loop_t *loop, uv_timer_t *timer) {
  int error = uv_error(FAULT_TIMER_INIT);
  return error != 0 ? error : __real_uv_timer_init(loop, timer);
}

int __wrap_uv_thread_create(uv_thread_t *id, uv_thread_cb entry, void *arg) {
  int error = uv_error(FAULT_THREAD_CREATE);
  return error != 0 ? error : __real_uv_thread_create(id, entry, arg);
}

int __wrap_uv_mutex_init(uv_mutex_t *mutex) {
  int error = uv_error(FAULT_MUTEX_INIT);
  return error != 0 ? error : __real_uv_mutex_init(mutex);
}

/* ---- csrc/hub/mem.c ---- */

void *__real_sse_malloc(size_t size);
void *__wrap_sse_malloc(size_t size);
void *__real_sse_calloc(size_t count, size_t size);
void *__wrap_sse_calloc(size_t count, size_t size);
void *__real_sse_realloc(void *ptr, size_t size);
void *__wrap_sse_realloc(void *ptr, size_t size);

void *__wrap_sse_malloc(size_t size) {
  return next(FAULT_ALLOC) != NULL ? NULL : __real_sse_malloc(size);
}

void *__wrap_sse_calloc(size_t count, size_t size) {
  return next(FAULT_ALLOC) != NULL ? NULL : __real_sse_calloc(count, size);
}

void *__wrap_sse_realloc(void *ptr, size_t size) {
  return next(FAULT_ALLOC) != NULL ? NULL : __real_sse_realloc(ptr, size);
}
