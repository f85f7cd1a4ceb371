package io.haulier.worker;

import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Collections;

/**
 * Deregisters JDBC drivers. {@link DriverManager} allows that only to the classes of the driver's own loader: so this
 * class is defined in that one, and runs there.
 */
public final class DriverRemoval implements Runnable {
    /** To be called by reflection, on the class that a task's loader has defined. */
    public DriverRemoval() {}

    @Override
    public void run() {
        for (var driver : Collections.list(DriverManager.getDrivers())) {
            if (driver.getClass().getClassLoader() == getClass().getClassLoader()) {
                try {
                    DriverManager.deregisterDriver(driver);
                } catch (SQLException problem) {
                    throw new IllegalStateException("driver " + driver.getClass().getName(), problem);
                }
            }
        }
    }
}
