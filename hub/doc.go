// Package hub brings models, adapters and data sets from the Hugging Face Hub into the cache that
// its Python client huggingface_hub keeps, and finds there what that client brought:
//
//	ref, err := hub.ParseRef(hub.Model, "google-t5/t5-small")
//	snapshot, err := hub.FromEnv().Model(ctx, ref)
//	checkpoint, err := t5.OpenCheckpoint(snapshot.Dir)
//
// A repository at a commit is a folder of links to blobs, which are named by their checksums:
//
//	CACHE/models--ORG--NAME/refs/main                  the commit of a branch or tag
//	CACHE/models--ORG--NAME/snapshots/COMMIT/FILE      a relative link to its blob
//	CACHE/models--ORG--NAME/blobs/CHECKSUM             git's SHA-1 of small files, SHA-256 of large ones
//	CACHE/models--ORG--NAME/.no_exist/COMMIT/FILE      a file that the commit does not have
//	CACHE/.locks/models--ORG--NAME/CHECKSUM.lock       held by the process that downloads the blob
//
// A blob gets its name when all of it has arrived and its checksum is right. Until then it is
// CHECKSUM.dept.incomplete, from whose end the next run goes on.
//
// Nothing here needs net/http but http.go: in a browser a Transport over fetch takes its place.
package hub
