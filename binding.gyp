# binding.gyp - how the addon is built. tools/build.js runs it (and checks first
# that what it needs is there). Sources are listed one per line, layer by layer;
# tools/check-layers.js compares the list with csrc/.
{
  'variables': {
    # Some Node builds forget to define this one.
    'openssl_fips': '',
    # 1: warnings are errors (our own builds; never on a user's machine).
    'sse_werror%': 0,
    # '', 'address' (with undefined behaviour), 'thread' or 'coverage' (gcov's counters).
    'sse_sanitize%': '',
    # Distributions build Node against shared libraries: link them then too.
    'node_shared_openssl%': 'false',
    'node_shared_libuv%': 'false',
    # history.file needs it; without it that option is refused.
    'sse_sqlite%': '<!(pkg-config --exists sqlite3 && echo 1 || echo 0)',
  },
  'targets': [
    {
      'target_name': 'native_sse',
      'sources': [
        'csrc/hub/budget.c',
        'csrc/hub/channel.c',
        'csrc/hub/client.c',
        'csrc/hub/command.c',
        'csrc/hub/deadline.c',
        'csrc/hub/directory.c',
        'csrc/hub/encode.c',
        'csrc/hub/errors.c',
        'csrc/hub/frame.c',
        'csrc/hub/heartbeat.c',
        'csrc/hub/hub.c',
        'csrc/hub/hub_attach.c',
        'csrc/hub/key.c',
        'csrc/hub/limits.c',
        'csrc/hub/mem.c',
        'csrc/hub/reason.c',
        'csrc/hub/ring.c',
        'csrc/hub/sizes.c',
        'csrc/hub/table.c',

        'csrc/io/clock.c',
        'csrc/io/gather.c',
        'csrc/io/mailbox.c',
        'csrc/io/memory.c',
        'csrc/io/peer.c',
        'csrc/io/shard.c',
        'csrc/io/socket_sink.c',
        'csrc/io/thread.c',
        'csrc/io/watch_epoll.c',
        'csrc/io/watch_uv.c',

        'csrc/jose/base64url.c',
        'csrc/jose/claims.c',
        'csrc/jose/jose_mem.c',
        'csrc/jose/json.c',
        'csrc/jose/json_scan.c',
        'csrc/jose/jwk.c',
        'csrc/jose/jwk_import.c',
        'csrc/jose/jws.c',
        'csrc/jose/reason.c',
        'csrc/jose/signature.c',
        'csrc/jose/thumbprint.c',
        'csrc/jose/verify.c',

        'csrc/napi/addon.c',
        'csrc/napi/core.c',
        'csrc/napi/env.c',
        'csrc/napi/event_port.c',
        'csrc/napi/fanout.c',
        'csrc/napi/history_file.c',
        'csrc/napi/hub_binding.c',
        'csrc/napi/hub_call.c',
        'csrc/napi/hub_directory.c',
        'csrc/napi/hub_events.c',
        'csrc/napi/jose_binding.c',
        'csrc/napi/jose_conformance.c',
        'csrc/napi/jose_values.c',
        'csrc/napi/key_list.c',
        'csrc/napi/napi_util.c',
        'csrc/napi/size_list.c',
        'csrc/napi/stream_sink.c',
      ],
      'include_dirs': ['csrc'],
      'defines': ['NAPI_VERSION=8', '_GNU_SOURCE'],
      # Node's own defaults: -O3, and a blanket silence for unused parameters.
      'cflags!': ['-O3', '-Wno-unused-parameter'],
      'cflags': [
        '-std=c11',
        '-g',
        '-fvisibility=hidden',
        '-fstack-protector-strong',
        '-Wall',
        '-Wextra',
        '-Wshadow',
        '-Wconversion',
        '-Wsign-conversion',
        '-Wstrict-prototypes',
        '-Wvla',
        '<!@(pkg-config --cflags libcjson)',
      ],
      'ldflags': ['-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack'],
      'libraries': ['<!@(pkg-config --libs libcjson)'],
      'xcode_settings': {
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
        'GCC_C_LANGUAGE_STANDARD': 'c11',
        'GCC_OPTIMIZATION_LEVEL': '2',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'OTHER_CFLAGS': [
          '-fstack-protector-strong',
          '-Wall',
          '-Wextra',
          '-Wshadow',
          '-Wstrict-prototypes',
          '-Wvla',
          '<!@(pkg-config --cflags libcjson)',
        ],
      },
      'conditions': [
        ['sse_sqlite==1', {
          'sources': [
            'csrc/store/batch.c',
            'csrc/store/db.c',
            'csrc/store/load.c',
            'csrc/store/mark.c',
            'csrc/store/store.c',
            'csrc/store/writer.c',
          ],
          'cflags': ['<!@(pkg-config --cflags sqlite3)'],
          'xcode_settings': {'OTHER_CFLAGS': ['<!@(pkg-config --cflags sqlite3)']},
          'libraries': ['<!@(pkg-config --libs sqlite3)'],
        }, {
          'sources': ['csrc/store/none.c'],
        }],
        ['sse_werror==1', {
          'cflags': ['-Werror'],
          'xcode_settings': {'GCC_TREAT_WARNINGS_AS_ERRORS': 'YES'},
        }],
        ['sse_sanitize==""', {
          # 2, not 3: the C library warns where it knows no 3.
          'configurations': {
            'Release': {
              'cflags!': ['-O3'],
              'cflags': ['-O2', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2'],
            },
          },
        }],
        ['sse_sanitize=="address"', {
          'cflags': [
            '-fsanitize=address,undefined',
            '-fno-sanitize-recover=all',
            '-fno-omit-frame-pointer',
          ],
          'ldflags': ['-fsanitize=address,undefined'],
        }],
        ['sse_sanitize=="thread"', {
          'cflags': ['-fsanitize=thread', '-fno-omit-frame-pointer'],
          'ldflags': ['-fsanitize=thread'],
        }],
        ['sse_sanitize=="coverage"', {
          'cflags': ['--coverage', '-fprofile-update=atomic'],
          'ldflags': ['--coverage'],
          'configurations': {
            'Release': {'cflags!': ['-O3'], 'cflags': ['-O0']},
          },
        }],
        ['sse_sanitize=="address" or sse_sanitize=="thread"', {
          'configurations': {
            'Release': {'cflags!': ['-O3'], 'cflags': ['-O1']},
          },
        }],
        ['node_shared_openssl=="true"', {'libraries': ['-lcrypto']}],
        ['node_shared_libuv=="true"', {'libraries': ['-luv']}],
      ],
    },
  ],
}
