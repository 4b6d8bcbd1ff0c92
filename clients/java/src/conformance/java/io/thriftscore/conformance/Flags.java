// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import java.util.HashMap;
import java.util.Map;

/** Command lines of --name value and --name. */
final class Flags {
  private static final String PREFIX = "--";

  private Flags() {}

  /** Names without their dashes; the value of a name that stands alone is empty. */
  static Map<String, String> of(String[] arguments) {
    Map<String, String> flags = new HashMap<>();
    for (int index = 0; index < arguments.length; index++) {
      String name = arguments[index].substring(PREFIX.length());
      boolean alone = index + 1 == arguments.length || arguments[index + 1].startsWith(PREFIX);
      flags.put(name, alone ? "" : arguments[++index]);
    }
    return flags;
  }
}
