// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** How messages are told apart on a connection. Servers recognise both on one port. */
public enum WireFraming {
  /** A length before each message: it is known how long one is before it is read. */
  FRAMED,
  /** One message after another: a reader must understand each to find its end. */
  UNFRAMED
}
