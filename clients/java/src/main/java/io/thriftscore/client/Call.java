// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.time.Duration;
import java.util.function.Function;
import org.apache.thrift.TBase;

/**
 * One call to be made.
 *
 * @param arguments makes the generated arguments once it is known how much time is left
 */
record Call(
    String method, String model, Duration timeout, Function<Deadline, TBase<?, ?>> arguments) {}
