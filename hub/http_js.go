package hub

// defaultTransport is none: a page gives the client one over its fetch.
func defaultTransport() Transport { return nil }
