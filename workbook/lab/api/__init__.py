"""HTTP: paths, bodies, keys, streams and errors, in the shapes of OpenAI's API."""
