/* peer.c - socket options and queries about the peer; see peer.h. */
#include "io/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Probes that go unanswered before an idle peer is given up. */
#define PROBES 3

static void set(int fd, int level, int name, uint32_t value) {
  int number = value > INT32_MAX ? INT32_MAX : (int)value;
  (void)setsockopt(fd, level, name, &number, sizeof(number));
}

/* Half of the time is waited for the peer to say something of its own accord,
 * the other half is for the probes. The kernel counts in seconds. */
static void probe_idle(int fd, uint32_t ms) {
  uint32_t seconds = ms / 1000 > 1 ? ms / 1000 : 2;
  uint32_t interval = seconds / 2 / PROBES > 1 ? seconds / 2 / PROBES : 1;
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_KEEPIDLE)
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds / 2);
#elif defined(TCP_KEEPALIVE) /* macOS */
  set(fd, IPPROTO_TCP, TCP_KEEPALIVE, seconds / 2);
#endif
#ifdef TCP_KEEPINTVL
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES);
#endif
}

void sse_peer_set_timeout(int fd, uint32_t ms) {
  struct sockaddr_storage address;
  socklen_t len = sizeof(address);
  if (ms == 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) return;
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) return;
  probe_idle(fd, ms);
#if defined(TCP_USER_TIMEOUT)
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
#elif defined(TCP_RXT_CONNDROPTIME) /* macOS, in seconds */
  set(fd, IPPROTO_TCP, TCP_RXT_CONNDROPTIME, ms / 1000 > 0 ? ms / 1000 : 1);
#endif
}

size_t sse_peer_unacked(int fd) {
  int bytes = 0;
#if defined(__linux__)
  if (ioctl(fd, TIOCOUTQ, &bytes) != 0) return 0; /* SIOCOUTQ by another name */
#elif defined(SO_NWRITE)                          /* macOS */
  socklen_t len = sizeof(bytes);
  if (getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &len) != 0) return 0;
#else
  (void)fd;
#endif
  return bytes > 0 ? (size_t)bytes : 0;
}

sse_reason_t sse_peer_reason(int error) {
  switch (error) {
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
      return SSE_REASON_TIMEOUT;
    case ENOBUFS:
    case ENOMEM:
      return SSE_REASON_ERROR; /* ours: the peer comes back when there is memory again */
    default:
      return SSE_REASON_RESET;
  }
}
