"""One file a source of data; `md4keras.data` is their door."""
