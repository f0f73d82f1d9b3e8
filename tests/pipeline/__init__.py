"""The behaviour of the running pipeline: real `offermatch` processes on a real Apache Kafka."""
