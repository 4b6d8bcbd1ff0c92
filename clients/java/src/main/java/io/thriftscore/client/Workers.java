// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads of one client, all daemons: the watchdog always; a timer; readers, at most one for
 * each connection that is shared; and a few that do what may block or is the application's, for
 * calls that nobody waits for.
 */
final class Workers implements AutoCloseable {
  private static final int TASK_THREADS = 16;
  private static final long IDLE_SECONDS = 10;

  private final Watchdog watchdog = new Watchdog();
  private final ExecutorService readers = Executors.newCachedThreadPool(named("reader"));
  private final ThreadPoolExecutor tasks =
      new ThreadPoolExecutor(
          TASK_THREADS,
          TASK_THREADS,
          IDLE_SECONDS,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          named("worker"));
  private final ScheduledThreadPoolExecutor timer =
      new ScheduledThreadPoolExecutor(1, named("timer"));

  Workers() {
    tasks.allowCoreThreadTimeOut(true);
    timer.setRemoveOnCancelPolicy(true);
    timer.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  private static ThreadFactory named(String role) {
    AtomicInteger count = new AtomicInteger();
    return task -> {
      Thread thread = new Thread(task, "thriftscore-" + role + "-" + count.incrementAndGet());
      thread.setDaemon(true);
      return thread;
    };
  }

  Watchdog watchdog() {
    return watchdog;
  }

  /** Runs the loop that reads a shared connection. */
  void read(Runnable loop) {
    readers.execute(loop);
  }

  /** Runs something short that may block until a deadline; in the caller once closed. */
  void run(Runnable task) {
    try {
      tasks.execute(task);
    } catch (RejectedExecutionException closed) {
      task.run();
    }
  }

  /** Runs something later; nothing once closed. */
  void runAfter(long nanos, Runnable task) {
    try {
      timer.schedule(() -> run(task), nanos, TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException closed) {
      run(task);
    }
  }

  /** Runs something again and again until the client is closed. */
  void runEvery(long nanos, Runnable task) {
    timer.scheduleWithFixedDelay(() -> run(task), nanos, nanos, TimeUnit.NANOSECONDS);
  }

  @Override
  public void close() {
    timer.shutdown();
    tasks.shutdown();
    readers.shutdown();
    watchdog.stop();
  }
}
