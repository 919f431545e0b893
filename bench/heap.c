/* heap.c: a small addon that tells how many bytes of malloc this process has in use. */
#include <malloc.h>
#include <node_api.h>

/* All arenas: glibc's mallinfo2 adds them up. What mmap gave is counted apart by it. */
static napi_value in_use(napi_env env, napi_callback_info info) {
  (void)info;
  malloc_trim(0);
  struct mallinfo2 m = mallinfo2();
  napi_value result;
  if (napi_create_double(env, (double)(m.uordblks + m.hblkhd), &result) != napi_ok) return NULL;
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "inUse", NAPI_AUTO_LENGTH, in_use, NULL, &function) != napi_ok)
    return NULL;
  napi_set_named_property(env, exports, "inUse", function);
  return exports;
}
