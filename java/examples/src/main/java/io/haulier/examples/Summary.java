package io.haulier.examples;

import io.haulier.api.Task;
import java.util.List;

/** A task with an argument; its collector and its result are classes that travel with it. */
public final class Summary implements Task<List<Integer>, Statistics> {
    private static final long serialVersionUID = 1L;

    @Override
    public Statistics run(List<Integer> numbers) {
        Collector collector = new Collector();
        numbers.forEach(collector::add);
        return collector.statistics();
    }

    /** Never leaves the node. */
    private static final class Collector {
        private int count;
        private long sum;
        private int largest = Integer.MIN_VALUE;

        void add(int number) {
            count++;
            sum += number;
            largest = Math.max(largest, number);
        }

        Statistics statistics() {
            return new Statistics(count, sum, largest);
        }
    }
}
