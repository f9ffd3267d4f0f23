import services.ingest
