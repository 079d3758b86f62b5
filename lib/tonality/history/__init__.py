"""What ran: the records of runs read, found and put into words. It writes nothing, and needs neither Java nor Spark."""
