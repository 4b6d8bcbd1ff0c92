// SPDX-License-Identifier: Apache-2.0

// Package thriftscore is the Go client of the thriftscore scoring server.
//
//	client, err := thriftscore.New("scores-1:9090,scores-2:9090", thriftscore.Options{})
//	if err != nil { ... }
//	defer client.Close()
//	result, err := client.Score(ctx, "credit", thriftscore.Rows[float32]{{0.3, 41, 1}})
//	fmt.Println(result.Row(0))
//
// A [Client] is safe for use by many goroutines, and made to be shared by them. It spreads calls
// over its servers by load and latency, keeps few connections to each, with many calls on each at
// once, passes servers over that fail, and makes calls again that failed for no fault of their own.
//
// Every call takes a context and ends with it: at its deadline, or as soon as it is cancelled,
// whatever the servers do. A context without a deadline gets [Options].Timeout. Waiting, connecting
// and retries are part of that time.
//
// A call fails with a [*ServerError], which is a server's own answer, with a [*TransportError],
// which means that there was no usable answer, or with an error that wraps [ErrInvalidArgument]
// and is neither, which means that nothing was sent because the arguments cannot be.
//
// A connection that broke, or carried anything but a reply that was waited for, is closed. One on
// which a call timed out takes no more calls, and is closed when those on it have ended. So a late
// reply never reaches another call.
package thriftscore
