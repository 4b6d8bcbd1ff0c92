// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;

/** The trace that the calling thread is in, where the application uses OpenTelemetry. */
final class CurrentTrace {
  private static final boolean HAS_OPENTELEMETRY = hasOpenTelemetry();

  private CurrentTrace() {}

  private static boolean hasOpenTelemetry() {
    try {
      Class.forName("io.opentelemetry.api.trace.Span");
      return true;
    } catch (ClassNotFoundException | LinkageError absent) {
      return false;
    }
  }

  /** W3C Trace Context of the current span; empty where there is none. */
  static String traceparent() {
    return HAS_OPENTELEMETRY ? OpenTelemetry.traceparent() : "";
  }

  /** Loaded only where its imports can be. */
  private static final class OpenTelemetry {
    static String traceparent() {
      SpanContext span = Span.current().getSpanContext();
      return span.isValid()
          ? "00-" + span.getTraceId() + "-" + span.getSpanId() + "-" + span.getTraceFlags().asHex()
          : "";
    }
  }
}
