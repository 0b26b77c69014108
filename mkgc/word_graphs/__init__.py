"""Makes graphs of words out of texts, pictures with keywords, and sememes; :mod:`mkgc.data.word_graph` reads them."""
