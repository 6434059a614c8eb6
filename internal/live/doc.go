// Package live writes subscriptions as the live protocol: Server-Sent Events with a snapshot, then every change, progress and a
// token with each frame, so that a client resumes where it was.
package live
