// SPDX-License-Identifier: Apache-2.0
// The line as Python sees it, and one exchange on it: checks, and one release of the GIL.
#pragma once

#include "line.h"
#include "messages.h"
#include "python.h"

namespace thriftscore_client {

/// A line, and how it is used: what shelf.py keeps of each connection.
struct LineObject {
  PyObject_HEAD Line* line;
  std::size_t frame_bytes_max;
  int calls;          ///< under way
  double idle_since;  ///< on the clock of time.monotonic, as the next
  double ends_at;
  char is_leaving;
  bool is_forgotten;
};

inline LineObject& line_object_of(PyObject* self) { return *reinterpret_cast<LineObject*>(self); }

/// One call, ready to be sent, and what is expected of its reply.
struct Asked {
  CallParts parts{};
  double seconds = 0;     ///< until it must be over
  std::int64_t rows = 0;  ///< that are expected, of a matrix
};

/// Sends and waits for the reply; false with an exception.
bool run(const LineObject& self, const Others& others, const Asked& asked, Exchange& exchange);

/// The whole reply, as bytes.
PyObject* message_of(const Exchange& exchange);

/// A matrix and the version that made it; both empty where Python should look at the reply.
struct Scored {
  Owned matrix;
  Owned version;
};

/// Reads the reply to a call from matrix to matrix; false with an exception.
bool read_scored(const Others& others, const Exchange& exchange, const Asked& asked,
                 Scored& scored);

/// Adds the type `Line` to the module; false with an exception.
bool add_line_type(PyObject* module);

}  // namespace thriftscore_client
